import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressor } from '../../../src/layers/compress.ts';
import { decompressed, sniff } from '../../../src/layers/decompress.ts';
import { gzip, isIncompressible } from '../../../src/layers/gzip.ts';
import { chunked, collect } from './fixtures.ts';

/** Compressible, and different everywhere. */
function text(size: number): Buffer {
  let out = '';
  for (let line = 0; out.length < size; line++) out += `line ${line * 7919} of ${line % 97}\n`;
  return Buffer.from(out.slice(0, size));
}

const unpack = (bytes: Buffer, options = {}, size = 5000) =>
  collect(decompressed(chunked(bytes, size), options));

describe('gzip', () => {
  test('any bytes come back, in any chunks, with the same result', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 6000 }),
        async (bytes, size) => {
          const data = Buffer.from(bytes);
          const packed = await collect(gzip(chunked(data, size)));
          expect(gunzipSync(packed).equals(data)).toBe(true);
          expect(packed.equals(await collect(gzip(chunked(data, 5000))))).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('across its own pieces: the same bytes on any number of threads', async () => {
    const data = Buffer.concat([text(1_700_000), randomBytes(1_200_000), text(3)]);
    const one = await collect(gzip(chunked(data, 65_536), { concurrency: 1 }));
    expect(gunzipSync(one).equals(data)).toBe(true);
    expect((await collect(gzip(chunked(data, 1_000_001), { concurrency: 7 }))).equals(one)).toBe(true);
    expect((await collect(gzip(chunked(data), { level: 1 }))).length).toBeGreaterThan(one.length);
  });

  test('pieces use what stands before them', async () => {
    const data = text(1_500_000);
    const whole = gzipSync(data).length;
    expect((await collect(gzip(chunked(data, 65_536)))).length).toBeLessThan(whole * 1.02);
  });

  test('random data is stored, at 5 bytes for 64 KiB', async () => {
    const data = randomBytes(1 << 20);
    expect(isIncompressible(data)).toBe(true);
    expect((await collect(gzip(chunked(data, 65_536)))).length).toBe(data.length + 20 + 5 * 18);
    expect(isIncompressible(text(1 << 20))).toBe(false);
    expect(isIncompressible(Buffer.concat([randomBytes(1 << 18), Buffer.alloc(1 << 18)]))).toBe(false);
    expect(isIncompressible(randomBytes(100))).toBe(false);
  });

  test('its head says nothing about the machine', async () => {
    expect((await collect(gzip(chunked(Buffer.from('x'))))).subarray(0, 10).toString('hex')).toBe(
      '1f8b08000000000000ff',
    );
  });

  test('a failing source fails it; leaving it ends the source', async () => {
    async function* failing() {
      yield text(2_000_000);
      throw new Error('cut');
    }
    await expect(collect(gzip(failing()))).rejects.toThrow('cut');
    let ended = false;
    async function* endless() {
      try {
        for (;;) yield text(600_000);
      } finally {
        ended = true;
      }
    }
    for await (const _ of gzip(endless())) break;
    expect(ended).toBe(false); // nothing was asked of it yet
    for await (const chunk of gzip(endless())) if (chunk.length > 100) break;
    expect(ended).toBe(true);
  });
});

describe('zstd', () => {
  test('comes back, the same for other chunks', async () => {
    const data = text(2_500_000);
    const zstd = compressor('zstd');
    const packed = await collect(zstd(chunked(data, 65_536)));
    expect(zstdDecompressSync(packed).equals(data)).toBe(true);
    expect((await collect(zstd(chunked(data, 9_999)))).equals(packed)).toBe(true);
    expect((await collect(compressor('zstd', { level: 7 })(chunked(data)))).length).toBeLessThan(
      packed.length,
    );
  });

  const one = zstdCompressSync(text(30_000));
  const two = zstdCompressSync(Buffer.from('tail'));
  const checked = zstdCompressSync(text(1000), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')]);

  test.each([1, 7, 4096, 1 << 20])('frames, skippable ones among them, in chunks of %i', async (size) => {
    const bytes = Buffer.concat([skippable, one, skippable, checked, two, two, skippable]);
    const expected = Buffer.concat([text(30_000), text(1000), Buffer.from('tailtail')]);
    expect((await unpack(bytes, {}, size)).equals(expected)).toBe(true);
  });

  test.each([
    ['trailing bytes', Buffer.concat([one, Buffer.from('more')]), 'E_ARCHIVE'],
    ['trailing zeros', Buffer.concat([one, Buffer.alloc(10)]), 'E_ARCHIVE'],
    ['cut', one.subarray(0, -3), 'E_ARCHIVE'],
    ['cut at its head', one.subarray(0, 5), 'E_ARCHIVE'],
    ['damaged', flipped(checked), 'E_ARCHIVE'],
    ['A35: a window of 2 GiB', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 1, 0, 0]), 'E_LIMIT'],
    ['A44: reserved block', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 7, 0, 0]), 'E_ARCHIVE'],
  ])('%s', async (_, bytes, code) => {
    await expect(unpack(bytes)).rejects.toMatchObject({ code });
  });
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.length - 2;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('decompressed', () => {
  const data = text(30_000);
  const packed = gzipSync(data);

  test('A45: by content, never by a name', async () => {
    expect(sniff(packed)).toBe('gzip');
    expect(sniff(zstdCompressSync(data))).toBe('zstd');
    expect(sniff(Buffer.from('BZh91AY'))).toBe('bzip2');
    expect(sniff(Buffer.from('fd377a585a00', 'hex'))).toBe('xz');
    expect(sniff(Buffer.from('BZ'))).toBe('none');
    expect(sniff(Buffer.alloc(0))).toBe('none');
    expect((await unpack(packed)).equals(data)).toBe(true);
    expect((await unpack(data)).equals(data)).toBe(true);
    expect(await unpack(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
    expect((await unpack(packed, {}, 1)).equals(data)).toBe(true);
  });

  test('A36: several gzip members are one stream', async () => {
    const both = Buffer.concat([packed, gzipSync(Buffer.from('tail'))]);
    expect((await unpack(both)).equals(Buffer.concat([data, Buffer.from('tail')]))).toBe(true);
  });

  test.each([
    ['garbage after a member', Buffer.concat([packed, Buffer.from('garbage')])],
    ['A36: zeros after a member', Buffer.concat([packed, Buffer.alloc(30)])],
    ['A36: a member behind zeros', Buffer.concat([packed, Buffer.alloc(30), packed])],
    ['cut', packed.subarray(0, -4)],
    ['cut early', packed.subarray(0, 100)],
    ['damaged', flipped(packed)],
  ])('gzip, %s', async (_, bytes) => {
    for (const size of [1000, 1 << 20]) {
      await expect(unpack(bytes, {}, size)).rejects.toMatchObject({ code: 'E_ARCHIVE' });
    }
  });

  test('A35: bombs end at the limit; of nested ones the outer shell alone is opened', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    await expect(unpack(bomb, { limit: 1_000_000 })).rejects.toMatchObject({ code: 'E_LIMIT' });
    expect((await unpack(gzipSync(bomb))).equals(bomb)).toBe(true);
    expect((await unpack(packed, { limit: data.length })).length).toBe(data.length);
  });

  test('an error of the source is the error', async () => {
    async function* failing() {
      yield packed.subarray(0, 2000);
      throw new Error('cut');
    }
    await expect(collect(decompressed(failing()))).rejects.toThrow('cut');
  });

  test.each(['xz', 'bzip2'] as const)('%s, where the machine has it', async (program) => {
    let bytes: Buffer;
    try {
      bytes = execFileSync(program, ['-c'], { input: data });
    } catch {
      return;
    }
    expect((await unpack(bytes)).equals(data)).toBe(true);
    await expect(unpack(bytes.subarray(0, -10))).rejects.toMatchObject({ code: 'E_ARCHIVE' });
    async function* failing() {
      yield bytes;
      throw new Error('digest');
    }
    await expect(collect(decompressed(failing()))).rejects.toThrow('digest');
  });
});
