import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { splitBlanks } from '../../../src/dockerfile/characters.ts';
import { expand, expandWords } from '../../../src/dockerfile/expand.ts';
import { ignoreMatcher, parseIgnoreFile } from '../../../src/dockerfile/ignore.ts';
import { interpret } from '../../../src/dockerfile/interpret.ts';
import { lintFile } from '../../../src/dockerfile/lint.ts';
import { parseFile } from '../../../src/dockerfile/parse.ts';
import { outlineOf } from '../../../src/dockerfile/plan.ts';
import { execForm } from '../../../src/dockerfile/words.ts';

/** Public tables of the field, where they are at hand: a folder with parser.json, shell-words.json, … */
const CORPUS = resolve(
  process.env.BLD_CORPUS ?? resolve(import.meta.dirname, '../../../../shared/corpus'),
  'dockerfile',
);
const isPresent = existsSync(join(CORPUS, 'parser.json'));
if (!isPresent)
  console.log(`the shared corpora are not at ${CORPUS} (set BLD_CORPUS): their tests are left out`);

function load<T>(name: string): T {
  return JSON.parse(isPresent ? readFileSync(join(CORPUS, name), 'utf8') : '[]') as T;
}

const AMD64 = { os: 'linux', architecture: 'amd64' };
const PLATFORMS = { buildPlatform: AMD64, targetPlatform: AMD64 };

interface ParserNode {
  readonly cmd: string;
  readonly start: number;
  readonly end: number;
  readonly flags?: readonly string[];
  readonly json?: boolean;
  readonly args?: readonly string[];
  readonly original: string;
}
interface ParserCase {
  readonly name: string;
  readonly text: string;
  readonly parse_error?: string;
  readonly head: {
    readonly escape: string;
    readonly nodes: readonly ParserNode[];
    readonly warnings?: readonly string[];
    readonly syntax?: string;
    readonly stages?: readonly string[];
    readonly instruction_error?: string;
  };
}

describe.runIf(isPresent)('parser.json', () => {
  const { cases = [] } = load<{ cases?: ParserCase[] }>('parser.json');
  test.each(cases)('$name', ({ text, head, parse_error }) => {
    if (parse_error) {
      expect(() => parseFile(text, 'Dockerfile').nodes.map(interpret)).toThrow(parse_error);
      return;
    }
    const file = parseFile(text, 'Dockerfile');
    const seen = file.nodes.map((node) => ({
      cmd: node.keyword,
      start: node.range.start.line,
      end: node.range.end.line,
      flags: node.flags,
      original: node.original,
      json:
        /^(?:RUN|CMD|ENTRYPOINT|SHELL|VOLUME|ADD|COPY)$/i.test(node.keyword) &&
        execForm(node.text) !== undefined,
    }));
    expect(seen).toEqual(
      head.nodes.map(({ cmd, start, end, flags = [], original, json = false }) => ({
        cmd,
        start,
        end,
        flags,
        original: original.trim(),
        // HEALTHCHECK's array stands after its type.
        json: json && cmd !== 'HEALTHCHECK',
      })),
    );
    for (const [index, { cmd, args = [] }] of head.nodes.entries()) {
      const node = file.nodes[index];
      const argv = node && execForm(node.text);
      if (argv) expect(argv).toEqual(args);
      else if (/^(?:FROM|EXPOSE|COPY|ADD)$/i.test(cmd)) expect(splitBlanks(node?.text ?? '')).toEqual(args);
      else if (/^(?:RUN|CMD|USER|WORKDIR)$/i.test(cmd))
        expect([node?.text]).toEqual(args.length > 0 ? args : ['']);
    }
    expect(file.directives.escape).toBe(head.escape);
    expect(file.directives.syntax).toBe(head.syntax);
    expect(file.nodes.filter((node) => node.hasEmptyContinuation)).toHaveLength(head.warnings?.length ?? 0);
    if (head.instruction_error) {
      const wording = head.instruction_error.replace(/^dockerfile parse error on line \d+: /, '');
      // bld names the instruction that has no such flag.
      expect(() => outlineOf(file)).toThrow(wording.replace('unknown flag: ', 'COPY has no flag '));
    } else expect(outlineOf(file).stages).toHaveLength(head.stages?.length ?? 0);
  });
});

interface WordCase {
  readonly source: string;
  readonly mode: 'word' | 'words';
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
  readonly escape?: string;
  readonly expected?: string | readonly string[];
  readonly error?: boolean;
  readonly error_contains?: string;
  readonly error_text?: string;
  readonly matched?: readonly string[];
  readonly unmatched?: readonly string[];
}

describe.runIf(isPresent)('shell-words.json', () => {
  test.each(load<WordCase[]>('shell-words.json'))('$source: $input', (row) => {
    const lookup = (name: string) => (Object.hasOwn(row.env, name) ? row.env[name] : undefined);
    const options = row.escape ? { escape: row.escape } : {};
    const work = () =>
      row.mode === 'words'
        ? expandWords(row.input, lookup, options)
        : expand(row.input, lookup, options).text;
    if (row.error) {
      // An open ${ is "missing '}'" here; BuildKit calls the end of the text an unsupported modifier.
      const isOpen = row.error_text?.includes('\uFFFD') ?? false;
      expect(work).toThrow(isOpen ? "missing '}'" : (row.error_text ?? row.error_contains));
      return;
    }
    expect(work()).toEqual(row.expected);
    if (row.mode === 'words') return;
    const { matched, unmatched } = expand(row.input, lookup, options);
    if (row.matched) expect([...matched].sort()).toEqual([...row.matched].sort());
    if (row.unmatched) expect([...unmatched].sort()).toEqual([...row.unmatched].sort());
  });
});

interface IgnoreCase {
  readonly patterns?: readonly string[];
  readonly ignorefile?: string;
  readonly path: string;
  readonly excluded?: boolean;
  readonly error?: boolean;
}

describe.runIf(isPresent)('dockerignore.json', () => {
  const { match = [], own = [] } = load<{ match?: IgnoreCase[]; own?: IgnoreCase[] }>('dockerignore.json');
  test.each([...match, ...own].map((row) => [JSON.stringify(row), row] as const))('%s', (_, row) => {
    const matcher = () =>
      row.ignorefile === undefined
        ? ignoreMatcher(row.patterns ?? [])
        : parseIgnoreFile(row.ignorefile, '.dockerignore');
    if (row.error) expect(matcher).toThrow();
    else expect(matcher().excluded(row.path)).toBe(row.excluded);
  });
});

interface LintCase {
  readonly dockerfile: string;
  readonly dockerignore?: string;
  readonly warnings: readonly { readonly rule: string; readonly line: number; readonly message: string }[];
}

describe.runIf(isPresent)('lint.json', () => {
  const { cases = [] } = load<{ cases?: LintCase[] }>('lint.json');
  test.each(cases.map((row) => [row.dockerfile, row] as const))('%j', (_, row) => {
    const ignore = row.dockerignore && parseIgnoreFile(row.dockerignore, '.dockerignore');
    const { warnings } = lintFile(row.dockerfile, 'Dockerfile', { ...PLATFORMS, ...(ignore && { ignore }) });
    const seen = warnings.map(({ rule, place, message }) => `${place.range.start.line} ${rule} ${message}`);
    expect(seen.sort()).toEqual(
      row.warnings.map(({ rule, line, message }) => `${line} ${rule} ${message}`).sort(),
    );
  });
});
