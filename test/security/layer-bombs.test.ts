/** Attacks A33-A35, A39 and A44: hostile archives end at a limit, in bounded memory and time. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { constants, createZstdCompress, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/base/digest.ts';
import { applyLayer } from '../../src/layers/apply.ts';
import { decompressed } from '../../src/layers/decompress.ts';
import { unpackBlob } from '../../src/layers/unpack.ts';
import {
  archive,
  block,
  chunked,
  collect,
  entriesOf,
  KIND,
  member,
  pax,
  scratch,
} from '../unit/layers/fixtures.ts';

const MEMORY = 512 * 1024 * 1024;

function apply(tar: Buffer) {
  const directory = scratch();
  return applyLayer(chunked(tar, 100_000), { directory, ...KIND });
}

describe('A33: sparse maps', () => {
  const sparse = (records: Record<string, string>, data = '') =>
    archive(pax({ 'GNU.sparse.name': 's', ...records }), member('GNUSparse/s', data));
  test.each([
    [
      '8 EiB of holes',
      sparse({ 'GNU.sparse.size': '9223372036854775807', 'GNU.sparse.map': '0,0' }),
      'E_ARCHIVE',
    ],
    ['4 PiB of holes', sparse({ 'GNU.sparse.size': '4503599627370496', 'GNU.sparse.map': '0,0' }), 'E_LIMIT'],
    [
      'extents that overlap',
      sparse({ 'GNU.sparse.size': '10', 'GNU.sparse.map': '0,4,3,4' }, '12345678'),
      'E_ARCHIVE',
    ],
    ['beyond the end', sparse({ 'GNU.sparse.size': '10', 'GNU.sparse.map': '8,4' }, '1234'), 'E_ARCHIVE'],
    [
      'more data than extents',
      sparse({ 'GNU.sparse.size': '10', 'GNU.sparse.map': '0,4' }, '123456'),
      'E_ARCHIVE',
    ],
    [
      'a version of the future',
      sparse({ 'GNU.sparse.realsize': '10', 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' }),
      'E_ARCHIVE',
    ],
    [
      '10^7 extents',
      sparse(
        { 'GNU.sparse.realsize': '10', 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' },
        `10000000\n${'0\n1\n'.repeat(1000)}`,
      ),
      'E_LIMIT',
    ],
    [
      'a map that never ends',
      sparse(
        { 'GNU.sparse.realsize': '10', 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' },
        '9'.repeat(4096),
      ),
      'E_ARCHIVE',
    ],
  ])('%s', async (_, tar, code) => {
    await expect(entriesOf(tar)).rejects.toMatchObject({ code });
  });

  test('a hole of 10 TiB costs nothing', async () => {
    const tar = sparse({ 'GNU.sparse.size': String(10 * 2 ** 40), 'GNU.sparse.map': '0,2' }, 'hi');
    const directory = scratch();
    await applyLayer(chunked(tar), { directory, ...KIND });
    expect(statSync(join(directory, 'diff/s')).blocks).toBeLessThan(1000);
  });
});

test('A34: 2000 members with a megabyte of attributes each are never held at once', async () => {
  const value = Buffer.alloc(1_000_000, 'v');
  const one = Buffer.concat([pax({ 'SCHILY.xattr.user.x': value }), block({ name: 'f' })]);
  async function* many() {
    for (let count = 0; count < 2000; count++) yield one;
  }
  const { readTar } = await import('../../src/layers/tar/read.ts');
  let most = 0;
  for await (const _ of readTar(many())) {
    const { arrayBuffers } = process.memoryUsage();
    most = Math.max(most, arrayBuffers);
  }
  expect(most).toBeLessThan(MEMORY);
});

describe('A35: compression bombs', () => {
  test('a terabyte of zeros in zstd stops at the limit', async () => {
    async function* bomb() {
      const encoder = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
      const zeros = Buffer.alloc(1 << 22);
      const source = Readable.from(
        (function* () {
          for (let count = 0; count < 2 ** 18; count++) yield zeros;
        })(),
      );
      source.on('data', (chunk: Buffer) => encoder.write(chunk));
      try {
        for await (const chunk of encoder) yield chunk as Buffer;
      } finally {
        source.destroy();
        encoder.destroy();
      }
    }
    await expect(collectLength(decompressed(bomb(), { limit: 2 ** 28 }))).rejects.toMatchObject({
      code: 'E_LIMIT',
    });
  });

  test('gzip in gzip is not opened twice', async () => {
    const inner = gzipSync(archive(member('f', 'x')));
    await expect(apply(await collect(decompressed(chunked(gzipSync(inner)))))).rejects.toMatchObject({
      code: 'E_ARCHIVE',
    });
  });
});

async function collectLength(source: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of source) size += chunk.length;
  return size;
}

describe('A39: many entries, deep trees, long names', () => {
  test.each([
    ['depth 10^4', `${'d/'.repeat(10_000)}f`, 'E_LIMIT'],
    ['a name beyond PATH_MAX', 'n'.repeat(5000), 'E_LIMIT'],
  ])('%s', async (_, path, code) => {
    await expect(apply(archive(member(path, 'x')))).rejects.toMatchObject({ code });
  });

  test('a name of 256 bytes is refused by name', async () => {
    await expect(apply(archive(member('n'.repeat(256), 'x')))).rejects.toThrow(/unpacking nnn.*ENAMETOOLONG/);
  });

  test('a tree of 800 levels can be made and removed', async () => {
    await apply(archive(member(`${'d/'.repeat(800)}f`, 'x')));
  });
});

describe('A44: garbage behind a good beginning', () => {
  test.each([
    ['gzip', Buffer.concat([gzipSync(archive(member('f', 'x'))).subarray(0, 40), Buffer.alloc(5000, 0xff)])],
    ['zstd', Buffer.concat([Buffer.from('28b52ffd0458', 'hex'), Buffer.alloc(5000, 0xff)])],
    ['xz', Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(5000, 0xff)])],
    ['bzip2', Buffer.concat([Buffer.from('BZh9'), Buffer.alloc(5000, 0xff)])],
  ])('%s', async (_, bytes) => {
    const directory = scratch();
    const failing = unpackBlob({
      blob: { mediaType: 'x', digest: digestOf(bytes), size: bytes.length },
      open: () => Readable.from(chunked(bytes)),
      diffId: digestOf(''),
      target: { directory, ...KIND },
    });
    await expect(failing).rejects.toMatchObject({ code: expect.stringMatching(/E_ARCHIVE|E_UNSUPPORTED/) });
    expect(existsSync(join(directory, 'diff/f'))).toBe(false);
  });
});
