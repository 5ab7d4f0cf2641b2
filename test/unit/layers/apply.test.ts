import { existsSync, lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { applyLayer } from '../../../src/layers/apply.ts';
import { unpackBlob } from '../../../src/layers/unpack.ts';
import {
  applied,
  archive,
  chunked,
  dir,
  entriesOf,
  KIND,
  link,
  member,
  packed,
  pax,
  scratch,
} from './fixtures.ts';

const text = (directory: string, path: string) => readFileSync(join(directory, 'diff', path), 'utf8');
const mtimeOf = (directory: string, path: string) =>
  lstatSync(join(directory, 'diff', path), { bigint: true }).mtimeNs;

describe('applyLayer', () => {
  test('files, links and directories with modes and times', async () => {
    const tar = archive(
      dir('d', { mode: 0o2750, mtime: 1_000_000_000_123_456_789n }),
      member('d/f', 'hello', { mode: 0o640, mtime: -5_000_000_001n }),
      link('hardlink', 'd/h', 'd/f'),
      link('symlink', 'd/s', '/nowhere'),
      member('big', Buffer.alloc(3_000_000, 'b')),
      member('', '', { path: Buffer.from('./empty') }),
    );
    const made = await applied(tar);
    expect(text(made, 'd/h')).toBe('hello');
    expect(statSync(join(made, 'diff/d/f')).nlink).toBe(2);
    expect(readlinkSync(join(made, 'diff/d/s'))).toBe('/nowhere');
    expect(lstatSync(join(made, 'diff/d')).mode & 0o7777).toBe(0o2750);
    expect(lstatSync(join(made, 'diff/d/f')).mode & 0o7777).toBe(0o640);
    expect([mtimeOf(made, 'd'), mtimeOf(made, 'd/f')]).toEqual([1_000_000_000_123_456_789n, -5_000_000_001n]);
    expect(text(made, 'big').length).toBe(3_000_000);
    expect(text(made, 'empty')).toBe('');
  });

  test('the umask has no say', async () => {
    const before = process.umask(0o077);
    try {
      const made = await applied(archive(member('a/f', 'x', { mode: 0o666 }), dir('b', { mode: 0o777 })));
      const modes = ['a', 'a/f', 'b'].map((path) => lstatSync(join(made, 'diff', path)).mode & 0o777);
      expect(modes).toEqual([0o755, 0o666, 0o777]);
    } finally {
      process.umask(before);
    }
  });

  test('A24: the last entry of a path wins', async () => {
    const canary = await applied(archive(member('f', 'canary')));
    const outside = join(canary, 'diff/f');
    const made = await applied(
      archive(
        dir('x'),
        member('x/inside', '1'),
        link('symlink', 'x', outside),
        member('x', 'file'),
        dir('x', { mode: 0o701 }),
        link('symlink', 'y', outside),
        dir('y', { mode: 0o700 }),
        link('symlink', 'z', outside),
        member('z', 'mine'),
      ),
    );
    expect(lstatSync(join(made, 'diff/x')).mode & 0o777).toBe(0o701);
    expect(existsSync(join(made, 'diff/x/inside'))).toBe(false);
    expect(lstatSync(join(made, 'diff/y')).isDirectory()).toBe(true);
    expect([text(made, 'z'), readFileSync(outside, 'utf8')]).toEqual(['mine', 'canary']);
  });

  test('A17: a root entry is kept for the image, whatever it says', async () => {
    const xattrs = new Map([['user.note', Buffer.from('root')]]);
    const tar = archive(dir('./', { mode: 0o4711, uid: 12345, gid: 6, xattrs }), member('f', 'x'));
    const again = await packed([await applied(tar)]);
    expect(
      again.equals(archive(dir('./', { mode: 0o4711, uid: 12345, gid: 6, xattrs }), member('f', 'x'))),
    ).toBe(true);
  });

  test('a path below a file, and a component that is too long', async () => {
    await expect(applied(archive(member('f', 'x'), member('f/g', 'y')))).rejects.toMatchObject({
      code: 'E_PATH',
    });
    await expect(applied(archive(member('n'.repeat(256), 'x')))).rejects.toThrow(/unpacking nnn/);
  });

  test('a very deep tree, with few descriptors', async () => {
    const deep = Array.from({ length: 150 }, (_, index) => `d${index}`).join('/');
    const made = await applied(
      archive(member(`${deep}/f`, 'x'), member('top', 'y'), member(`${deep}/g`, 'z')),
    );
    expect(text(made, `${deep}/g`)).toBe('z');
  });

  test('sparse files keep their holes', async () => {
    const records = { 'GNU.sparse.size': '50000000', 'GNU.sparse.map': '0,5,40000000,6,50000000,0' };
    const made = await applied(
      archive(pax({ ...records, 'GNU.sparse.name': 's' }), member('GNUSparseFile/s', 'hello world')),
    );
    const stat = statSync(join(made, 'diff/s'));
    expect([stat.size, stat.blocks * 512 < 1_000_000]).toEqual([50_000_000, true]);
    const bytes = readFileSync(join(made, 'diff/s'));
    expect([bytes.toString('utf8', 0, 5), bytes.toString('utf8', 40_000_000, 40_000_006)]).toEqual([
      'hello',
      ' world',
    ]);
  });
});

describe('unpackBlob', () => {
  const tar = archive(dir('d'), member('d/f', 'content'), member('big', Buffer.alloc(200_000, 'x')));

  function request(blob: Buffer, diffId = digestOf(tar)) {
    const directory = scratch();
    return {
      blob: { mediaType: 'lies', digest: digestOf(blob), size: blob.length },
      open: () => Readable.from(chunked(blob, 3000)),
      diffId,
      target: { directory, ...KIND },
    };
  }

  test.each([
    ['gzip', gzipSync(tar)],
    ['zstd', zstdCompressSync(tar)],
    ['none', tar],
  ])('%s, in one pass', async (_, blob) => {
    let seen = 0;
    const asked = request(blob);
    const { size } = await unpackBlob({
      ...asked,
      onBytes: (bytes) => {
        seen += bytes;
      },
    });
    expect([size, seen]).toEqual([tar.length, blob.length]);
    expect(text(asked.target.directory, 'd/f')).toBe('content');
  });

  test('A37: a wrong byte, a wrong diffID, too few and too many bytes', async () => {
    const flipped = Buffer.from(tar);
    flipped[flipped.length - 2000] = 1;
    const asked = request(tar);
    const cases = [
      { ...asked, open: () => Readable.from(chunked(flipped)) },
      { ...asked, diffId: digestOf('other') },
      { ...asked, open: () => Readable.from(chunked(tar.subarray(0, -1))) },
      { ...asked, open: () => Readable.from(chunked(Buffer.concat([tar, Buffer.alloc(1)]))) },
    ];
    for (const wrong of cases) {
      const { target } = request(tar);
      await expect(unpackBlob({ ...wrong, target })).rejects.toMatchObject({ code: 'E_INTEGRITY' });
    }
  });

  test('a signal ends it', async () => {
    const controller = new AbortController();
    controller.abort(new Error('stop'));
    await expect(unpackBlob({ ...request(tar), signal: controller.signal })).rejects.toThrow('stop');
  });

  test('a failing source is closed and its error is told', async () => {
    const asked = request(tar);
    const source = Readable.from(
      (async function* () {
        yield tar.subarray(0, 5000);
        throw new Error('reset');
      })(),
    );
    await expect(unpackBlob({ ...asked, open: () => source })).rejects.toThrow('reset');
    expect(source.destroyed).toBe(true);
  });
});

test('onEntry sees the headers', async () => {
  const names: string[] = [];
  const onEntry = ({ path }: { path: Buffer }) => names.push(path.toString());
  const { size } = await applyLayer(
    chunked(archive(dir('a'), member('a/b', 'xyz'))),
    { directory: scratch(), ...KIND },
    { onEntry },
  );
  expect([names, size]).toEqual([['a/', 'a/b'], 3]);
});

test('missing parents look as in the layers below, times among them', async () => {
  const mtime = 1_234_567_890_000_000_000n;
  const bottom = await applied(
    archive(dir('tmp', { mode: 0o1777, uid: 7, mtime }), dir('d', { mode: 0o700 })),
  );
  const middle = await applied(archive(dir('d', { mode: 0o711 }), member('file', 'x')));
  const below = [middle, bottom].map((directory) => join(directory, 'diff'));
  const directory = scratch();
  const tar = archive(member('tmp/.wh.x'), member('d/f', '1'), member('file/g', '2'), member('n/f', '3'));
  await applyLayer(chunked(tar), { directory, ...KIND }, { below });
  const found = await entriesOf(await packed([directory]));
  expect(
    found
      .filter((entry) => entry.header.type === 'dir')
      .map(({ header }) => [`${header.path}`, header.mode, header.uid]),
  ).toEqual([
    ['d/', 0o711, 0],
    ['file/', 0o755, 0],
    ['n/', 0o755, 0],
    ['tmp/', 0o1777, 7],
  ]);
  expect(mtimeOf(directory, 'tmp')).toBe(mtime);
});
