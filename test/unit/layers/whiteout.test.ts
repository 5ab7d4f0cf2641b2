import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { visibleStack } from '../../../src/layers/root.ts';
import { namingOf, opaquePath, whiteoutPath } from '../../../src/layers/whiteout.ts';
import { applied, archive, dir, KIND, link, listing, member, packed } from './fixtures.ts';

describe('namingOf', () => {
  const naming = (path: string) => namingOf(path.split('/').map((part) => Buffer.from(part)));
  test.each([
    ['a/b', { kind: 'object' }],
    ['a/.whx', { kind: 'object' }],
    ['.wh.a', { kind: 'whiteout', name: Buffer.from('a') }],
    ['d/.wh..hidden', { kind: 'whiteout', name: Buffer.from('.hidden') }],
    ['d/.wh..wh..opq', { kind: 'opaque' }],
    ['.wh..wh.plnk/1.2', { kind: 'ignored' }],
    ['.wh..wh.aufs', { kind: 'ignored' }],
  ])('%s', (path, expected) => expect(naming(path)).toEqual(expected));

  test.each(['.wh...', '.wh..', 'a/.wh...', '.wh.', 'a/.wh.', '.wh.a/b'])(
    'A18, A19: %s is refused',
    (path) => {
      expect(() => naming(path)).toThrow(expect.objectContaining({ code: 'E_ARCHIVE' }));
    },
  );

  test('and back', () => {
    expect(whiteoutPath(Buffer.from('a/b')).toString()).toBe('a/.wh.b');
    expect(whiteoutPath(Buffer.from('b')).toString()).toBe('.wh.b');
    expect(opaquePath(Buffer.from('a')).toString()).toBe('a/.wh..wh..opq');
    expect(opaquePath(Buffer.alloc(0)).toString()).toBe('.wh..wh..opq');
  });
});

describe('in a layer', () => {
  test('whiteouts survive unpacking and packing; directories come before their marks', async () => {
    const tar = archive(
      member('.wh.gone'),
      dir('d'),
      member('d/.wh..wh..opq'),
      member('d/x', '1'),
      member('e/.wh.y'),
    );
    const expected = ['d/', 'd/.wh..wh..opq', 'd/x = 1', 'e/', 'e/.wh.y', '.wh.gone'];
    expect(await listing(await packed([await applied(tar)]))).toEqual(expected);
  });

  test('A21: an opaque mark hides what is below, wherever it stands, however often', async () => {
    const opaque = member('d/.wh..wh..opq');
    const orders = [
      [opaque, dir('d'), member('d/a', '1')],
      [dir('d'), opaque, member('d/a', '1'), opaque],
      [dir('d'), member('d/a', '1'), opaque],
      [member('d/a', '1'), dir('d'), opaque],
    ];
    for (const members of orders) {
      const made = await listing(await packed([await applied(archive(...members))]));
      expect(made).toEqual(['d/', 'd/.wh..wh..opq', 'd/a = 1']);
    }
  });

  test('A23: a file of the same layer outlives its whiteout, in both orders', async () => {
    const file = member('x', 'new');
    const whiteout = member('.wh.x');
    for (const tar of [archive(file, whiteout), archive(whiteout, file)]) {
      expect(await listing(await packed([await applied(tar)]))).toEqual(['x = new']);
    }
  });

  test('a directory with a whiteout of its name starts empty, in any order, also when it has no entry of its own', async () => {
    const whiteout = member('.wh.d');
    const inside = member('d/a', '1');
    for (const members of [
      [whiteout, dir('d'), inside],
      [dir('d'), inside, whiteout],
      [whiteout, inside],
      [inside, whiteout],
    ]) {
      const made = await listing(await packed([await applied(archive(...members))]));
      expect(made).toEqual(['d/', 'd/.wh..wh..opq', 'd/a = 1']);
    }
  });

  test('A22: what an opaque directory hides does not come back when layers are squashed', async () => {
    const lower = await applied(archive(dir('d'), member('d/secret', 's'), member('kept', 'k')));
    const upper = await applied(archive(dir('d'), member('d/.wh..wh..opq'), member('d/new', 'n')));
    expect(await listing(await packed([upper, lower], { flatten: true }))).toEqual([
      'd/',
      'd/new = n',
      'kept = k',
    ]);
    expect(await listing(await packed([upper, lower]))).toEqual([
      'd/',
      'd/.wh..wh..opq',
      'd/new = n',
      'kept = k',
    ]);
  });

  test('an opaque root hides the whole stack below it', async () => {
    const lower = await applied(archive(member('old', 'o')));
    const upper = await applied(archive(member('.wh..wh..opq'), member('new', 'n')));
    const stack = [join(upper, 'diff'), join(lower, 'diff')];
    expect(visibleStack(stack, KIND)).toEqual(stack.slice(0, 1));
    expect(visibleStack(stack.slice(1), KIND)).toEqual(stack.slice(1));
    expect(await listing(await packed([upper, lower], { flatten: true }))).toEqual(['new = n']);
    expect(await listing(await packed([upper, lower]))).toEqual(['.wh..wh..opq', 'new = n']);
  });

  test('A20: below a symlink nothing outside is deleted', async () => {
    const canary = await applied(archive(member('canary', 'c')));
    const tar = archive(link('symlink', 'd', join(canary, 'diff')), member('d/.wh.canary'));
    await expect(applied(tar)).rejects.toMatchObject({ code: 'E_PATH' });
    expect(await listing(await packed([canary]))).toEqual(['canary = c']);
  });

  test('a file whose name is a whiteout is left out, with what is in it', async () => {
    const directory = await applied(archive(member('a', '1'), member('z', '2')));
    mkdirSync(join(directory, 'diff', '.wh.dir'));
    writeFileSync(join(directory, 'diff', '.wh.dir', 'inside'), 'x');
    writeFileSync(join(directory, 'diff', '.wh.z'), 'x');
    expect(await listing(await packed([directory]))).toEqual(['a = 1', 'z = 2']);
  });
});

describe('a stack as one layer', () => {
  const squash = async (...tars: readonly Buffer[]) => {
    const made = [];
    for (const tar of tars) made.unshift(await applied(tar));
    return {
      union: await listing(await packed(made)),
      flat: await listing(await packed(made, { flatten: true })),
    };
  };

  test('whiteouts matter below the stack even when their file was inside of it', async () => {
    const { union, flat } = await squash(
      archive(member('a', '1'), member('b', '1')),
      archive(member('.wh.a')),
    );
    expect(union).toEqual(['.wh.a', 'b = 1']);
    expect(flat).toEqual(['b = 1']);
  });

  test('a directory over a deleted one, or over a file, hides the base', async () => {
    const deleted = await squash(archive(member('.wh.d')), archive(dir('d'), member('d/n', '1')));
    expect(deleted.union).toEqual(['d/', 'd/.wh..wh..opq', 'd/n = 1']);
    expect(deleted.flat).toEqual(['d/', 'd/n = 1']);
    const file = await squash(archive(member('d', 'file')), archive(dir('d'), member('d/n', '1')));
    expect(file.union).toEqual(['d/', 'd/.wh..wh..opq', 'd/n = 1']);
  });

  test('directories are merged, the upper metadata and files win', async () => {
    const { union } = await squash(
      archive(dir('d', { mode: 0o700 }), member('d/a', '1'), member('d/b', '1'), member('d/c', '1')),
      archive(dir('d', { mode: 0o711 }), member('d/b', '2'), member('d/.wh.c'), link('symlink', 'd/e', 'a')),
    );
    expect(union).toEqual(['d/', 'd/a = 1', 'd/b = 2', 'd/.wh.c', 'd/e -> a']);
  });

  test('a file over a directory, and a link over both', async () => {
    const { union, flat } = await squash(
      archive(dir('x'), member('x/a', '1'), dir('y'), member('y/a', '1')),
      archive(member('x', 'file'), link('symlink', 'y', 'x')),
    );
    expect(union).toEqual(['x = file', 'y -> x']);
    expect(flat).toEqual(union);
  });
});
