import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { readAll } from '../../../src/base/streams.ts';
import { tempStore } from './temp-store.ts';

const bytesOf = (length: number) => Buffer.alloc(length, 'some bytes of a layer ');
const described = (bytes: Buffer) => ({ mediaType: 'x/y', digest: digestOf(bytes), size: bytes.length });

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('put and read', () => {
  test('gives the descriptor and the bytes back', async () => {
    const store = tempStore().open();
    const put = await store.blobs.put(Buffer.from('hello'), 'text/plain');
    expect(put).toEqual({ mediaType: 'text/plain', digest: digestOf('hello'), size: 5 });
    expect(store.blobs.has(put.digest)).toBe(true);
    expect(store.blobs.size(put.digest)).toBe(5);
    expect(store.blobs.read(put.digest).toString()).toBe('hello');
    expect((await readAll(store.blobs.open(put.digest, 2), 100, 'it')).toString()).toBe('llo');
  });

  test('a missing blob is E_NOT_FOUND', () => {
    const store = tempStore().open();
    expect(() => store.blobs.open(digestOf('x'))).toThrow(expect.objectContaining({ code: 'E_NOT_FOUND' }));
    expect(() => store.blobs.read(digestOf('x'))).toThrow(expect.objectContaining({ code: 'E_NOT_FOUND' }));
    expect(store.blobs.size(digestOf('x'))).toBeNull();
  });

  test('a flipped bit is E_INTEGRITY', async () => {
    const store = tempStore().open();
    const { digest } = await store.blobs.put(Buffer.from('hello'));
    writeFileSync(store.blobs.path(digest), 'hellp');
    expect(() => store.blobs.read(digest)).toThrow(expect.objectContaining({ code: 'E_INTEGRITY' }));
  });

  test('a file cut short counts as absent, and the next put mends it', async () => {
    const store = tempStore().open();
    const { digest } = await store.blobs.put(Buffer.from('hello'));
    truncateSync(store.blobs.path(digest), 0);
    expect(store.blobs.has(digest)).toBe(false);
    await store.blobs.put(Buffer.from('hello'));
    expect(store.blobs.read(digest).toString()).toBe('hello');
  });
});

describe('ingest', () => {
  test('stores a stream, and asks for nothing when the blob is there', async () => {
    const store = tempStore().open();
    const bytes = bytesOf(3_000_001);
    let seen = 0;
    await store.blobs.ingest(
      described(bytes),
      async () => Readable.from(pieces(bytes, 16_384)),
      (n) => {
        seen += n;
      },
    );
    expect(seen).toBe(bytes.length);
    expect(readFileSync(store.blobs.path(digestOf(bytes))).equals(bytes)).toBe(true);
    await store.blobs.ingest(described(bytes), () => Promise.reject(new Error('asked')));
  });

  test('resumes behind what an earlier try wrote', async () => {
    const store = tempStore().open();
    const bytes = bytesOf(5_000_000);
    async function* broken() {
      yield* pieces(bytes.subarray(0, 3_000_000), 100_000);
      throw new Error('the connection broke');
    }
    await expect(store.blobs.ingest(described(bytes), async () => Readable.from(broken()))).rejects.toThrow(
      'broke',
    );
    expect(store.blobs.has(digestOf(bytes))).toBe(false);
    let asked = -1;
    await store.blobs.ingest(described(bytes), async (offset) => {
      asked = offset;
      return Readable.from(pieces(bytes.subarray(offset), 65_536));
    });
    expect(asked).toBeGreaterThan(1_000_000);
    expect(readFileSync(store.blobs.path(digestOf(bytes))).equals(bytes)).toBe(true);
  });

  test('a wrong partial file costs one new start', async () => {
    const { open, root } = tempStore();
    const store = open();
    const bytes = bytesOf(200_000);
    writeFileSync(join(root, 'tmp/partial', digestOf(bytes).slice(7)), Buffer.alloc(100_000));
    const offsets: number[] = [];
    await store.blobs.ingest(described(bytes), async (offset) => {
      offsets.push(offset);
      return Readable.from([bytes.subarray(offset)]);
    });
    expect(offsets).toEqual([100_000, 0]);
    expect(store.blobs.has(digestOf(bytes))).toBe(true);
  });

  test('a complete partial file needs no download', async () => {
    const { open, root } = tempStore();
    const store = open();
    const bytes = bytesOf(200_000);
    writeFileSync(join(root, 'tmp/partial', digestOf(bytes).slice(7)), bytes);
    await store.blobs.ingest(described(bytes), () => Promise.reject(new Error('asked')));
    expect(store.blobs.has(digestOf(bytes))).toBe(true);
  });

  test.for([
    ['other bytes', Buffer.alloc(200_000, 'x')],
    ['too many bytes', bytesOf(200_001)],
    ['too few bytes', bytesOf(199_999)],
    ['no bytes', Buffer.alloc(0)],
  ] as const)('%s: E_INTEGRITY, nothing visible', async ([, received]) => {
    const store = tempStore().open();
    const expected = described(bytesOf(200_000));
    await expect(store.blobs.ingest(expected, async () => Readable.from([received]))).rejects.toMatchObject({
      code: 'E_INTEGRITY',
    });
    expect(store.blobs.has(expected.digest)).toBe(false);
    expect(existsSync(store.blobs.path(expected.digest))).toBe(false);
  });

  test('the second of two waits for the first and reuses its bytes', async () => {
    const { open } = tempStore();
    const [one, two] = [open(), open()];
    const bytes = bytesOf(100_000);
    let opened = 0;
    const source = async () => {
      opened++;
      return Readable.from(pieces(bytes, 1000));
    };
    await Promise.all([one, two, one].map((store) => store.blobs.ingest(described(bytes), source)));
    expect(opened).toBe(1);
    expect(two.blobs.has(digestOf(bytes))).toBe(true);
  });

  test('takes sha512 and empty blobs', async () => {
    const store = tempStore().open();
    const empty = described(Buffer.alloc(0));
    await store.blobs.ingest(empty, async () => Readable.from([]));
    expect(store.blobs.size(empty.digest)).toBe(0);
    const digest =
      'sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043';
    await store.blobs.ingest({ mediaType: 'x', digest, size: 5 }, async () =>
      Readable.from([Buffer.from('hello')]),
    );
    expect(store.blobs.read(digest).toString()).toBe('hello');
  });
});

describe('staged files', () => {
  test('ingestUnknown finds out the digest', async () => {
    const { open, root } = tempStore();
    const store = open();
    const bytes = bytesOf(2_500_000);
    const found = await store.blobs.ingestUnknown(() => Readable.from(pieces(bytes, 300_000)));
    expect(found).toEqual({ digest: digestOf(bytes), size: bytes.length });
    const broken = () =>
      Readable.from(
        (async function* () {
          yield bytes;
          throw new Error('no more');
        })(),
      );
    await expect(store.blobs.ingestUnknown(broken)).rejects.toThrow('no more');
    store[Symbol.dispose]();
    expect(readdirSync(join(root, 'tmp'))).toEqual(['partial']);
  });

  test('stage: written by descriptor, published or discarded', () => {
    const store = tempStore().open();
    const kept = store.blobs.stage();
    writeSync(kept.fd, 'hello');
    kept.publish(digestOf('hello'), 5);
    kept.discard();
    expect(store.blobs.read(digestOf('hello')).toString()).toBe('hello');
    const dropped = store.blobs.stage();
    dropped.discard();
    expect(existsSync(dropped.path)).toBe(false);
  });

  test('origins: newest first, each once', () => {
    const store = tempStore().open();
    const digest = digestOf('x');
    for (const name of ['a/b', 'c/d', 'a/b']) store.blobs.addOrigin(digest, name);
    expect(store.blobs.origins(digest)).toEqual(['a/b', 'c/d']);
  });
});
