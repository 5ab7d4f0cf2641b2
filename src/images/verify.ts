import { algorithmOf, type Digest, Hasher } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';

/** Throws E_INTEGRITY unless the bytes in hand have that size and digest. */
export function verifyBytes(
  bytes: Uint8Array,
  expected: { readonly digest: Digest; readonly size?: number },
  what: string,
): void {
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw new BldError('E_INTEGRITY', `${what}: ${bytes.length} bytes instead of ${expected.size}`);
  }
  const hasher = new Hasher(algorithmOf(expected.digest));
  hasher.update(bytes);
  const found = hasher.digest();
  if (found !== expected.digest) {
    throw new BldError('E_INTEGRITY', `${what}: digest is ${found}, not the expected ${expected.digest}`);
  }
}
