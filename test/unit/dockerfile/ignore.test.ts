import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DockerfileError } from '../../../src/dockerfile/errors.ts';
import { ignoreMatcher, parseIgnoreFile } from '../../../src/dockerfile/ignore.ts';
import { mobyExcludes, somePath, somePatterns } from './ignore-reference.ts';

const TABLE = readFileSync(resolve(import.meta.dirname, '../../golden/ignore.txt'), 'utf8');

function words(text: string): string[] {
  return (text.match(/'[^']*'|(?:\\.|[^\s'])+/g) ?? []).map((word) => word.replace(/^'(.*)'$/, '$1'));
}

describe('the table', () => {
  const rows = TABLE.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  test.each(rows)('%s', (row) => {
    const [patterns = '', paths = ''] = row.split(' → ');
    const matcher = ignoreMatcher(words(patterns));
    for (const expected of words(paths)) {
      const path = expected.slice(1);
      expect(`${matcher.excluded(path) ? '-' : '+'}${path}`).toBe(expected);
    }
  });
});

describe('the file', () => {
  test('comments, blanks, returns, a byte order mark, slashes', () => {
    const text = '\uFEFFone\r\n# no\r\n  # a pattern  \n\n/two/ \n!  ./three/../four\nsp ace\n';
    const { rules } = parseIgnoreFile(text, '.dockerignore');
    expect(rules.map(({ pattern, line }) => `${line} ${pattern}`)).toEqual([
      '1 one',
      '3 # a pattern',
      '5 two',
      '6 !four',
      '7 sp ace',
    ]);
  });

  test('the rule that excluded a path is told, with its line', () => {
    const matcher = parseIgnoreFile('*\n!src\n\nsrc/*.tmp\n', '.dockerignore');
    expect(matcher.excludedBy('src/a.tmp/b')).toEqual({ pattern: 'src/*.tmp', isInclusion: false, line: 4 });
    expect(matcher.excludedBy('lib')?.line).toBe(1);
    expect(matcher.excludedBy('src/a')).toBeUndefined();
  });

  test.each(['[', '[]a]', '[a-]', '[-a]', '[z-a]', 'a\\', '[^', '[a', '!'])(
    '%s is refused at its line',
    (pattern) => {
      expect(() => parseIgnoreFile(`ok\n${pattern}\n`, 'x/.dockerignore')).toThrow(/^x\/\.dockerignore:2: /);
    },
  );

  test('no rules exclude nothing', () => {
    const matcher = parseIgnoreFile('', '.dockerignore');
    expect(matcher.excluded('a/b')).toBe(false);
    expect(matcher.mayContainIncluded('a')).toBe(true);
  });
});

describe('trees that need not be walked', () => {
  test.each([
    ['node_modules', 'node_modules', false],
    ['node_modules', 'src', true],
    ['* !src/main', 'lib', false],
    ['* !src/main', 'src', true],
    ['* !src/main', 'src/other', false],
    ['* !src/**', 'src/a/b', true],
    ['* !**/*.md', 'anything/at/all', true],
    ['!a/keep a', 'a', false],
    ['a !a/*/keep', 'a/b', true],
    ['a !a/*/keep', 'a/b/c', false],
    ['** !a[bc]/x', 'ac', true],
    ['** !a[bc]/x', 'ad', false],
  ])('%s: %s', (patterns, directory, expected) => {
    expect(ignoreMatcher(patterns.split(' ')).mayContainIncluded(directory)).toBe(expected);
  });
});

describe('properties', () => {
  test('the same as by regular expressions', () => {
    fc.assert(
      fc.property(somePatterns, somePath, (list, one) => {
        expect(ignoreMatcher(list).excluded(one)).toBe(mobyExcludes(list, one));
      }),
      { numRuns: 2000 },
    );
  });

  test('no included path hides in a tree that is not walked', () => {
    fc.assert(
      fc.property(somePatterns, somePath, (list, one) => {
        const matcher = ignoreMatcher(list);
        if (matcher.excluded(one)) return;
        const names = one.split('/');
        for (let depth = 1; depth < names.length; depth++) {
          expect(matcher.mayContainIncluded(names.slice(0, depth).join('/'))).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a matcher asked in any order answers the same', () => {
    fc.assert(
      fc.property(somePatterns, fc.array(somePath, { maxLength: 6 }), (list, paths) => {
        const matcher = ignoreMatcher(list);
        const together = paths.map((one) => matcher.excluded(one));
        expect(together).toEqual(paths.map((one) => ignoreMatcher(list).excluded(one)));
      }),
    );
  });
});

test('any file is rules, or an error at its line', () => {
  const line = fc.string({ unit: fc.constantFrom(...'ab!#*?[]^-\\/. \t\r\n\0é') });
  fc.assert(
    fc.property(line, line, (text, path) => {
      try {
        parseIgnoreFile(text, 'x').excluded(path);
      } catch (error) {
        expect(error).toBeInstanceOf(DockerfileError);
      }
    }),
    { numRuns: 500 },
  );
});

describe('hostile patterns', () => {
  test('time is linear in path and pattern', () => {
    const matcher = ignoreMatcher(['**/**/**/*a*a*a*a*a*a*b', `${'*a'.repeat(100)}b`, '**/a**/a**/a**/b']);
    const started = performance.now();
    expect(matcher.excluded(`${'a'.repeat(300)}/${'a/'.repeat(20)}c`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('thirty thousand plain patterns cost no more than a look-up', () => {
    const matcher = parseIgnoreFile(
      Array.from({ length: 30_000 }, (_, index) => `d${index}/f`).join('\n'),
      'x',
    );
    const started = performance.now();
    for (let index = 0; index < 3000; index++) matcher.excluded(`some/where/f${index}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
