import { Readable, type Writable } from 'node:stream';
import { algorithmOf, type Digest, Hasher } from './digest.ts';
import { BldError } from './errors.ts';

/** Bytes that can be read any number of times: whoever opens a stream, ends it. */
export type Opener = () => Readable | Promise<Readable>;

export interface Expected {
  readonly digest?: Digest;
  /** Bytes. */
  readonly size?: number;
}

/**
 * The stream's chunks, unchanged; throws E_INTEGRITY before its end is let through when size or digest differ,
 * and as soon as one byte more than expected has come. `what` names the thing in the error.
 */
export async function* verifying(
  source: AsyncIterable<Uint8Array>,
  expected: Expected,
  what: string,
): AsyncGenerator<Uint8Array> {
  const hasher = new Hasher(expected.digest ? algorithmOf(expected.digest) : 'sha256');
  for await (const chunk of source) {
    hasher.update(chunk);
    if (expected.size !== undefined && hasher.size > expected.size) {
      throw new BldError('E_INTEGRITY', `${what}: more than the expected ${expected.size} bytes`);
    }
    yield chunk;
  }
  if (expected.size !== undefined && hasher.size !== expected.size) {
    throw new BldError('E_INTEGRITY', `${what}: ${hasher.size} bytes instead of ${expected.size}: truncated`);
  }
  if (expected.digest) {
    const found = hasher.digest();
    if (found !== expected.digest) {
      throw new BldError('E_INTEGRITY', `${what}: digest is ${found}, not the expected ${expected.digest}`);
    }
  }
}

/** `verifying` as a Readable. Destroying it destroys `source`. */
export function verified(source: Readable, expected: Expected, what: string): Readable {
  return Readable.from(verifying(source, expected, what), { objectMode: false });
}

/** All bytes of a small document; E_LIMIT beyond `limit` bytes. */
export async function readAll(
  source: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) throw new BldError('E_LIMIT', `${what} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** The stream of a path that means standard output, which is shared: nobody ends it. */
export function standardOutput(path: string): Writable | undefined {
  return path === '/dev/stdout' ? process.stdout : undefined;
}
