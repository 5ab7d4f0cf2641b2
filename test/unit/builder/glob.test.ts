import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { glob, hasWildcard } from '../../../src/builder/glob.ts';
import { closeSources, openSources, type SourceRoot } from '../../../src/builder/sources.ts';
import { type Fd, sys } from '../../../src/native/sys.ts';

let directory = '';
let root: Fd;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bld-glob-'));
  for (const path of ['a.txt', 'b.txt', 'sub/c.txt', 'sub/deep/d.txt', '[x]', 'sub/.hidden', 'ab']) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), path);
  }
  symlinkSync('/etc', join(directory, 'out'));
  symlinkSync('sub', join(directory, 'in'));
  root = sys().openRoot(directory);
});
afterAll(() => {
  sys().close(root);
  rmSync(directory, { recursive: true });
});

describe('glob', () => {
  test.each([
    ['*.txt', ['a.txt', 'b.txt']],
    ['?.txt', ['a.txt', 'b.txt']],
    ['[a-a].txt', ['a.txt']],
    ['[^a].txt', ['b.txt']],
    ['\\[x\\]', ['[x]']],
    ['*/c.txt', ['in/c.txt', 'sub/c.txt']],
    ['**/d.txt', ['sub/deep/d.txt']],
    ['**/*.txt', ['a.txt', 'b.txt', 'sub/c.txt', 'sub/deep/d.txt']],
    ['sub/*', ['sub/.hidden', 'sub/c.txt', 'sub/deep']],
    ['nothing*', []],
    ['out/passw*', []],
  ])('%s', (pattern, expected) => {
    const found = glob(root, pattern);
    expect(found).toEqual([...expected].sort());
  });

  test('tells patterns from names', () => {
    expect(['a', 'a.b', 'ü'].some(hasWildcard)).toBe(false);
    expect(['*', 'a?', '[b', 'c\\d'].every(hasWildcard)).toBe(true);
  });
});

describe('sources of a context', () => {
  const context = (): SourceRoot => ({ fd: root, label: 'the context', start: '/', jail: true });

  test('may not lie outside', () => {
    expect(() => openSources(context(), ['../x'])).toThrow(/lies outside of the context/);
    expect(() => openSources(context(), ['sub/../../x'])).toThrow(/lies outside/);
  });

  test('links resolve inside, so that nothing of the machine is copied', () => {
    expect(() => openSources(context(), ['out/passwd'])).toThrow(/no such file/);
    const sources = openSources(context(), ['in/c.txt', '/a.txt']);
    expect(sources.map(({ path }) => path)).toEqual(['in/c.txt', 'a.txt']);
    closeSources(sources);
  });

  test('a missing one says what is near', () => {
    expect(() => openSources(context(), ['sub/c.tst'])).toThrow(
      expect.objectContaining({ code: 'E_NOT_FOUND', hint: 'did you mean "c.txt"?' }),
    );
    expect(() => openSources(context(), ['*.none'])).toThrow(/no such file/);
    expect(openSources(context(), ['*.none'], { allowEmptyWildcard: true })).toEqual([]);
  });
});
