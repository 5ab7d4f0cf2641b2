// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like this
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Complaint } from '../../../src/dockerfile/errors.ts';
import { expand, expandWords } from '../../../src/dockerfile/expand.ts';
import { removePrefix, removeSuffix, replacePattern } from '../../../src/dockerfile/wildcard.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  A: 'apple',
  EMPTY: '',
  PATHS: '/usr/lib/a.tar.gz',
  TWO: 'one two',
  STAR: 'a*b',
};
const lookup = (name: string) => (Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined);

function rows(name: string): [string, string][] {
  const text = readFileSync(resolve(import.meta.dirname, '../../golden', name), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [input = '', result = ''] = line.split(/ →(?: |$)/);
      return [input, result];
    });
}

describe('the table of words', () => {
  test.each(rows('expand.txt'))('%s', (input, expected) => {
    const isBacktick = input.startsWith('` ');
    const options = isBacktick ? { escape: '`' } : {};
    const work = () => expand(isBacktick ? input.slice(2) : input, lookup, options).text;
    if (expected.startsWith('!')) expect(work).toThrow(expected.slice(1));
    else expect(work()).toBe(expected === '<>' ? '' : expected);
  });
});

describe('the table of splits', () => {
  test.each(rows('words.txt'))('%s', (input, expected) => {
    expect(expandWords(input, lookup)).toEqual(expected === '' ? [] : expected.split('|'));
  });
});

describe('what was asked for', () => {
  test('set and unset names are told, once', () => {
    const { matched, unmatched } = expand('$A ${A} ${B:-$C} ${D#x} ${EMPTY:+y}', lookup);
    expect([...matched]).toEqual(['A', 'EMPTY']);
    expect([...unmatched].sort()).toEqual(['B', 'C', 'D']);
  });

  test('a heredoc keeps its quotes, and drops the backslash', () => {
    const body = 'a "$A" \'${A}\' \\$A \\n\n';
    expect(expand(body, lookup, { plainQuotes: true }).text).toBe('a "apple" \'apple\' $A n\n');
  });

  test('unset references can be kept', () => {
    const text = '$NO ${NO:-x} ${NO/a/b} $A';
    expect(expand(text, lookup, { keepUnset: true }).text).toBe('$NO ${NO:-x} ${NO/a/b} apple');
  });

  test('nesting and growth are bounded', () => {
    const deep = '${a:-'.repeat(5000) + '}'.repeat(5000);
    expect(() => expand(deep, lookup)).toThrow('nested too deeply');
    expect(() => expand('$A$A', () => 'x'.repeat(600_000))).toThrow('more than 1048576 characters');
  });
});

describe('properties', () => {
  const anything = fc.string({ unit: fc.constantFrom(...'ab \\"\'${}:-+?#%/*é') });

  test('a value in double quotes, escaped, is itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const quoted = `"${value.replace(/["$\\]/g, '\\$&')}"`;
        expect(expand(quoted, lookup).text).toBe(value);
      }),
    );
  });

  test('a value without quotes in single quotes is itself', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const plain = value.replaceAll("'", '');
        expect(expand(`'${plain}'`, lookup).text).toBe(plain);
      }),
    );
  });

  test('any text expands, or fails with a Complaint that names it', () => {
    fc.assert(
      fc.property(anything, (text) => {
        try {
          expand(text, lookup);
        } catch (error) {
          expect(error).toBeInstanceOf(Complaint);
          expect(String(error)).toContain('failed to process');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('words joined hold the same characters as the text, blanks aside', () => {
    fc.assert(
      fc.property(anything, (text) => {
        let whole: string;
        try {
          whole = expand(text, lookup).text;
        } catch {
          return;
        }
        expect(expandWords(text, lookup).join('').replaceAll(' ', '')).toBe(whole.replaceAll(' ', ''));
      }),
    );
  });
});

/** The same by regular expressions, as slow as they may be. */
describe('patterns against regular expressions', () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '*', '\n'), maxLength: 8 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '\\*'), maxLength: 6 });
  const source = (text: string, star: string) =>
    text.replace(/\\\*|\*|\?/g, (token) => (token === '*' ? star : token === '?' ? '.' : '\\*'));

  test('prefixes', () => {
    fc.assert(
      fc.property(value, pattern, fc.boolean(), (text, glob, isLongest) => {
        const form = new RegExp(`^(?:${source(glob, isLongest ? '.*' : '.*?')})`, 's');
        expect(removePrefix(text, glob, isLongest)).toBe(text.replace(form, ''));
      }),
      { numRuns: 500 },
    );
  });

  test('suffixes', () => {
    fc.assert(
      fc.property(value, pattern, fc.boolean(), (text, glob, isLongest) => {
        const form = new RegExp(`^${source(glob, '.*')}$`, 's');
        const starts = Array.from({ length: text.length + 1 }, (_, index) => index);
        const fitting = starts.filter((start) => form.test(text.slice(start)));
        const start = isLongest ? fitting[0] : fitting.at(-1);
        expect(removeSuffix(text, glob, isLongest)).toBe(text.slice(0, start));
      }),
      { numRuns: 500 },
    );
  });

  test('replacement of the first', () => {
    fc.assert(
      fc.property(value, pattern, (text, glob) => {
        const form = new RegExp(source(glob, '.*'), 's');
        const how = { replacement: '<>', isAll: false, limit: 1000 };
        expect(replacePattern(text, glob, how)).toBe(text.replace(form, '<>'));
      }),
      { numRuns: 500 },
    );
  });

  test('replacement of all, empty matches apart', () => {
    fc.assert(
      fc.property(value, pattern, (text, glob) => {
        const form = new RegExp(source(glob, '.*'), 'gs');
        if (form.test('')) return;
        const how = { replacement: '<>', isAll: true, limit: 1000 };
        expect(replacePattern(text, glob, how)).toBe(text.replace(form, '<>'));
      }),
      { numRuns: 500 },
    );
  });
});
