import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf, Hasher } from '../../../src/base/digest.ts';
import { sys } from '../../../src/native/sys.ts';

const known = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

test('as OpenSSL has it, for every length around the blocks', () => {
  for (let length = 0; length < 300; length++) {
    const bytes = Buffer.alloc(length, length);
    expect(sys().sha256(bytes)).toBe(known(bytes));
  }
});

test('digests are the same by whichever way they are made', () => {
  sys();
  const pieces = fc.array(fc.uint8Array({ maxLength: 40_000 }), { maxLength: 5 });
  fc.assert(
    fc.property(pieces, (chunks) => {
      const hasher = new Hasher();
      for (const chunk of chunks) hasher.update(chunk);
      expect(hasher.digest()).toBe(`sha256:${known(Buffer.concat(chunks))}`);
    }),
    { numRuns: 50 },
  );
  for (const length of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const bytes = Buffer.alloc(length, 'bytes');
    const hasher = new Hasher();
    for (let at = 0; at < length; at += 30_000) hasher.update(bytes.subarray(at, at + 30_000));
    expect(hasher.digest()).toBe(`sha256:${known(bytes)}`);
    expect(digestOf(bytes)).toBe(`sha256:${known(bytes)}`);
  }
  expect(digestOf('größer')).toBe(`sha256:${known('größer')}`);
});

test('what passed is kept, though its buffer is used again', () => {
  sys();
  const hasher = new Hasher();
  const buffer = Buffer.from('one');
  hasher.update(buffer);
  buffer.write('two');
  hasher.update(buffer);
  expect(hasher.digest()).toBe(`sha256:${known('onetwo')}`);
});
