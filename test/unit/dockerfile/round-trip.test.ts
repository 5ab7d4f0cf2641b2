/** What must not matter to the parser, and what must never get the better of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BldError } from '../../../src/base/errors.ts';
import { DockerfileError } from '../../../src/dockerfile/errors.ts';
import { lintFile } from '../../../src/dockerfile/lint.ts';
import { type ParsedFile, parseFile } from '../../../src/dockerfile/parse.ts';
import { buildOnPaper, planOf } from './build.ts';

const GOLDEN = resolve(import.meta.dirname, '../../golden');
const FILES = ['dockerfile', 'dockerfile-bad'].flatMap((kind) =>
  readdirSync(join(GOLDEN, kind))
    .map((name) => readFileSync(join(GOLDEN, kind, name, 'Dockerfile'), 'utf8'))
    .filter((text) => text.length < 5000),
);

/** What the file says, wherever it stands. */
function said({ nodes }: ParsedFile) {
  return nodes.map(({ keyword, flags, text, heredocs }) => ({
    keyword,
    flags,
    text,
    heredocs: heredocs.map(({ name, content }) => [name, content.replaceAll('\r\n', '\n')]),
  }));
}

const instruction = fc.constantFrom(
  'FROM --platform=$BUILDPLATFORM golang:1.25 AS build',
  'RUN --mount=type=cache,target=/c make "all  of" it && echo \'#\' done',
  'COPY --from=build --chown=1:2 a "b c" /d/',
  'ENV A=1 B="two words" C=a\\ b',
  'CMD ["a b", "c\\"d"]',
  'LABEL old form with words',
  'HEALTHCHECK --interval=5s CMD curl -f http://localhost/ || exit 1',
  'ONBUILD RUN echo $A',
);
const heredoc = fc.constantFrom(
  'RUN <<EOF\n# no comment\n\n  a \\\nEOF\n',
  'COPY <<-A <<"B" /x/\n\tone\n\tA\ntwo $X\nB\n',
);

/** The same instruction over several lines, with comments and blank lines in between. */
function broken(text: string, cuts: readonly number[], between: readonly string[]): string {
  let result = '';
  let left = text;
  for (const [index, cut] of cuts.entries()) {
    const at = cut % Math.max(1, left.length);
    // not within an escape, not before what would be a comment or a line of blanks
    const canBreak = at > 0 && !left.slice(0, at).endsWith('\\') && /^[^\s#\\]/.test(left.slice(at));
    if (!canBreak) continue;
    result += `${left.slice(0, at)}\\${' '.repeat(cut % 3)}\n${between[index % between.length] ?? ''}`;
    left = left.slice(at);
  }
  return result + left;
}

const cuts = fc.array(fc.nat(60), { maxLength: 4 });
const between = fc.array(fc.constantFrom('', '# a comment \\\n', '  \t# indented\n', '\n', '   \n'), {
  minLength: 1,
  maxLength: 4,
});
const decorated = fc
  .tuple(instruction, cuts, between, fc.constantFrom('', '  ', '\t'), fc.constantFrom('', ' ', ' \t'))
  .map(([text, places, lines, before, after]) => ({
    plain: `${text}\n`,
    full: `${lines.join('')}${before}${broken(text, places, lines)}${after}\n`,
  }));
const file = fc.array(
  fc.oneof(
    decorated,
    heredoc.map((text) => ({ plain: text, full: text })),
  ),
  {
    minLength: 1,
    maxLength: 6,
  },
);

describe('comments, blank lines, blanks, continuations, line ends and a byte order mark', () => {
  test('change nothing', () => {
    fc.assert(
      fc.property(file, fc.boolean(), fc.boolean(), (parts, hasReturns, hasMark) => {
        const plain = parts.map((part) => part.plain).join('');
        const full = parts.map((part) => part.full).join('');
        const text = (hasMark ? '\uFEFF' : '') + (hasReturns ? full.replaceAll('\n', '\r\n') : full);
        expect(said(parseFile(text, 'D'))).toEqual(said(parseFile(plain, 'D')));
      }),
      { numRuns: 600 },
    );
  });

  test('an instruction stands where the file has it', () => {
    fc.assert(
      fc.property(file, (parts) => {
        const text = parts.map(({ full }) => full).join('');
        const lines = text.split('\n');
        for (const { range, keyword, keywordRange } of parseFile(text, 'D').nodes) {
          const line = lines[keywordRange.start.line - 1] ?? '';
          const { start, end } = keywordRange;
          // a keyword may itself go on in the next line
          if (end.column - 1 <= line.length && !line.trimEnd().endsWith('\\'))
            expect(line.slice(start.column - 1, end.column - 1)).toBe(keyword);
          expect(range.start.line).toBeLessThanOrEqual(range.end.line);
          expect(range.end.line).toBeLessThanOrEqual(lines.length);
        }
      }),
      { numRuns: 300 },
    );
  });
});

const TOKENS = [
  ...' \t\n\r\0"\'\\`$#=,:;<>-[]{}/*?@!é',
  '\\\n',
  '\r\n',
  '${',
  '${A:-',
  '<<EOF',
  '<<-"E"',
  '--',
  '--mount=',
  '["',
  '"]',
  'FROM ',
  'ONBUILD ',
  '\uFEFF',
  '\u0085',
  '\ud800',
  '# escape=`\n',
];
type Change = readonly [at: number, cut: number, token: string];
const changes = fc.array(fc.tuple(fc.nat(5000), fc.nat(6), fc.constantFrom('', ...TOKENS)), {
  minLength: 1,
  maxLength: 8,
});

function mutated(text: string, list: readonly Change[]): string {
  return list.reduce((before, [place, cut, token]) => {
    const at = place % (before.length + 1);
    return before.slice(0, at) + token + before.slice(at + cut);
  }, text);
}

describe('damaged files', () => {
  test('are a plan, or an error that shows its place', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FILES), changes, (text, list) => {
        try {
          buildOnPaper(planOf(mutated(text, list)));
        } catch (error) {
          expect(error).toBeInstanceOf(DockerfileError);
          if (error instanceof DockerfileError) {
            expect(error.excerpt).toContain('>>>');
            // nothing that a terminal would obey
            expect(error.excerpt).not.toMatch(/[^\P{Cc}\t\n]/u);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('can be checked', () => {
    const platforms = {
      buildPlatform: { os: 'linux', architecture: 'amd64' },
      targetPlatform: { os: 'linux', architecture: 'amd64' },
    };
    fc.assert(
      fc.property(fc.constantFrom(...FILES), changes, (text, list) => {
        const { warnings, errors } = lintFile(mutated(text, list), 'D', platforms);
        for (const { message } of warnings) expect(message).not.toBe('');
        for (const error of errors) expect(error).toBeInstanceOf(BldError);
      }),
      { numRuns: 200 },
    );
  });
});
