// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like this
/** Variables as a shell has them: random words by an evaluator of their parts, and by the shell of the machine. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expand } from '../../../src/dockerfile/expand.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  A: 'aba',
  B: 'a/b.a/b',
  EMPTY: '',
  STAR: 'a*b',
  TWO: ' b  a ',
  QUOTES: `"a' \\b`,
};
const NAMES = [...Object.keys(VARIABLES), 'UNSET'];

type Part =
  | { readonly kind: 'plain' | 'single' | 'escaped'; readonly text: string }
  | { readonly kind: 'double'; readonly parts: readonly Part[] }
  | { readonly kind: 'variable'; readonly name: string; readonly braced: boolean }
  | { readonly kind: 'or'; readonly name: string; readonly operator: string; readonly word: readonly Part[] }
  | { readonly kind: 'trim'; readonly name: string; readonly operator: string; readonly pattern: string };

function held(name: string): string | undefined {
  return VARIABLES[name];
}

/** A pattern's text as a regular expression. */
function formOf(pattern: string): string {
  return pattern.replace(/\\(.)|[*?./]/g, (token, escaped: string | undefined) => {
    if (escaped !== undefined) return `\\${escaped}`;
    return token === '*' ? '[^]*' : token === '?' ? '[^]' : `\\${token}`;
  });
}

/** Tries every prefix or suffix, the short ones first or last. */
function trimmed(value: string, operator: string, pattern: string): string {
  const form = new RegExp(`^${formOf(pattern)}$`);
  const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
  if (operator.length === 2) lengths.reverse();
  const isPrefix = operator.startsWith('#');
  const cut = (length: number) => (isPrefix ? value.slice(0, length) : value.slice(value.length - length));
  const length = lengths.find((one) => form.test(cut(one))) ?? 0;
  return isPrefix ? value.slice(length) : value.slice(0, value.length - length);
}

function meaning(parts: readonly Part[]): string {
  return parts.map(meaningOf).join('');
}

function meaningOf(part: Part): string {
  switch (part.kind) {
    case 'double':
      return meaning(part.parts);
    case 'variable':
      return held(part.name) ?? '';
    case 'trim':
      return trimmed(held(part.name) ?? '', part.operator, part.pattern);
    case 'or': {
      const value = held(part.name);
      const isGiven = value !== undefined && !(part.operator.startsWith(':') && value === '');
      if (part.operator.endsWith('+')) return isGiven ? meaning(part.word) : '';
      return isGiven ? value : meaning(part.word);
    }
    default:
      return part.text;
  }
}

function written(parts: readonly Part[]): string {
  return parts.map(writtenOf).join('');
}

function writtenOf(part: Part): string {
  switch (part.kind) {
    case 'plain':
      return part.text;
    case 'single':
      return `'${part.text}'`;
    case 'escaped':
      return `\\${part.text}`;
    case 'double':
      return `"${written(part.parts)}"`;
    case 'variable':
      return part.braced ? `\${${part.name}}` : `$${part.name}`;
    case 'trim':
      return `\${${part.name}${part.operator}${part.pattern}}`;
    case 'or':
      return `\${${part.name}${part.operator}${written(part.word)}}`;
  }
}

const name = fc.constantFrom(...NAMES);
const plain = fc
  .string({
    unit: fc.constantFrom('a', 'b', '/', '.', '-', ':', '%', '+', '=', 'é'),
    minLength: 1,
    maxLength: 4,
  })
  .map((text): Part => ({ kind: 'plain', text }));
const single = fc
  .string({ unit: fc.constantFrom('a', ' ', '"', '$', '\\', '{', '}', '*'), maxLength: 4 })
  .map((text): Part => ({ kind: 'single', text }));
const escaped = fc
  .constantFrom('$', '"', "'", '\\', ' ', 'a', '}', '*')
  .map((text): Part => ({ kind: 'escaped', text }));
const escapedInDouble = fc.constantFrom('$', '"', '\\').map((text): Part => ({ kind: 'escaped', text }));
const variable = fc
  .record({ name, braced: fc.constant(true) })
  .map((fields): Part => ({ kind: 'variable', ...fields }));
const pattern = fc
  .array(fc.constantFrom('a', 'b', '/', '.', '*', '?', '\\*', '\\?'), { maxLength: 4 })
  .map((tokens) => tokens.join(''))
  // `##` and `%%` are operators
  .filter((text) => !text.startsWith('#') && !text.startsWith('%'));
const trim = fc
  .record({ name, operator: fc.constantFrom('#', '##', '%', '%%'), pattern })
  .map((fields): Part => ({ kind: 'trim', ...fields }));
const operator = fc.constantFrom(':-', '-', ':+', '+');
const blank = fc.constant<Part>({ kind: 'plain', text: ' ' });

const { word } = fc.letrec<{ word: Part[]; inner: Part[] }>((tie) => ({
  word: fc.array(
    fc.oneof(
      plain,
      single,
      escaped,
      variable,
      trim,
      fc.record({ name, operator, word: tie('word') }).map((fields): Part => ({ kind: 'or', ...fields })),
      tie('inner').map((parts): Part => ({ kind: 'double', parts })),
    ),
    { maxLength: 4, depthIdentifier: 'word' },
  ),
  inner: fc.array(
    fc.oneof(
      plain,
      blank,
      escapedInDouble,
      variable,
      trim,
      fc
        .record({ name, operator, word: fc.array(fc.oneof(plain, blank, variable), { maxLength: 3 }) })
        .map((fields): Part => ({ kind: 'or', ...fields })),
    ),
    { maxLength: 4 },
  ),
}));

describe('random words', () => {
  test('mean what their parts mean', () => {
    fc.assert(
      fc.property(word, (parts) => {
        expect(expand(written(parts), held).text).toBe(meaning(parts));
      }),
      { numRuns: 1500 },
    );
  });

  test('mean the same to the shell of the machine', () => {
    const words = fc.sample(word, 800).map(written);
    // an assignment: no splitting at blanks, no names of files
    const script = words.map((text) => `x=${text}; printf '%s\\0' "$x"`).join('\n');
    const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script], {
      env: { ...VARIABLES, LC_ALL: 'C.UTF-8' },
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const said = stdout.split('\0').slice(0, -1);
    const ours = words.map((text) => expand(text, held).text);
    expect(words.map((text, index) => [text, ours[index]])).toEqual(
      words.map((text, index) => [text, said[index]]),
    );
  });
});
