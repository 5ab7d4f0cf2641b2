import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { digestOf, Hasher, isDigest, parseDigest } from '../../../src/base/digest.ts';
import { BldError, explain, isErrno } from '../../../src/base/errors.ts';
import { printable } from '../../../src/base/log.ts';
import { mapPool } from '../../../src/base/pool.ts';
import { readAll, verified } from '../../../src/base/streams.ts';

const bytes = Buffer.from('some bytes');
const expected = { digest: digestOf(bytes), size: bytes.length };

async function taken(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const stream = (...parts: string[]) => Readable.from(parts.map((part) => Buffer.from(part)));

describe('verified', () => {
  test('lets the right bytes through', async () => {
    expect(await taken(verified(stream('some ', 'bytes'), expected, 'x'))).toEqual(bytes);
  });

  test.each([
    ['truncated', ['some byte'], /9 bytes instead of 10: truncated/],
    ['too long', ['some bytes', '!'], /more than the expected 10 bytes/],
    ['other bytes', ['same bytes'], /digest is sha256:/],
  ])('refuses what is %s', async (_, parts, message) => {
    const failure = taken(verified(stream(...parts), expected, 'x'));
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ code: 'E_INTEGRITY' });
  });

  test('a byte too many ends it before the rest is read', async () => {
    let asked = 0;
    async function* endless() {
      for (;;) {
        asked++;
        yield Buffer.alloc(8);
      }
    }
    await expect(taken(verified(Readable.from(endless()), expected, 'x'))).rejects.toThrow(/more than/);
    expect(asked).toBeLessThan(100);
  });
});

test('readAll has a limit', async () => {
  expect((await readAll(stream('a', 'b'), 2, 'it')).toString()).toBe('ab');
  await expect(readAll(stream('a', 'bc'), 2, 'it')).rejects.toMatchObject({ code: 'E_LIMIT' });
});

describe('digests', () => {
  test.each([
    'sha256:../../x',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha512:${'a'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
    42,
    null,
  ])('%s is none', (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(BldError);
  });

  test('a running one equals that of the whole', () => {
    const hasher = new Hasher();
    hasher.update(bytes.subarray(0, 3));
    hasher.update(bytes.subarray(3));
    expect(hasher.size).toBe(bytes.length);
    expect(hasher.digest()).toBe(expected.digest);
  });
});

describe('explain', () => {
  test('a full disk tells the way out', () => {
    const error = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    expect(explain(error, 'writing')).toMatchObject({ code: 'E_DISK_FULL', exitCode: 125, cause: error });
    expect((explain(error, 'writing') as BldError).hint).toMatch(/--root/);
  });

  test('leaves its own errors and defects alone', () => {
    const own = new BldError('E_USAGE', 'x');
    const defect = new TypeError('x');
    expect(explain(own, 'y')).toBe(own);
    expect(explain(defect, 'y')).toBe(defect);
    expect(isErrno(defect)).toBe(false);
  });
});

test('a pool keeps the order and the limit, and stops at the first failure', async () => {
  let running = 0;
  let most = 0;
  const work = async (item: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, (5 - item) * 2));
    running--;
    return item * 2;
  };
  expect(await mapPool([1, 2, 3, 4], 2, work)).toEqual([2, 4, 6, 8]);
  expect(most).toBe(2);
  const started: number[] = [];
  const failing = mapPool([1, 2, 3, 4], 1, async (item) => {
    started.push(item);
    if (item === 2) throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(started).toEqual([1, 2]);
});

test('control characters from outside cannot act in a terminal', () => {
  expect(printable('a\u001b[31m\u0007b\tc\n')).toBe('a\\x1b[31m\\x07b\tc\n');
});
