import type { Hash } from 'node:crypto';
import { BldError } from './errors.ts';

/** `algorithm:hex`, as in the OCI image specification, "Digests". Only made by the functions of this file. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

const FORM = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && FORM.test(text);
}

/** The text as a Digest. Refuses unknown algorithms, wrong lengths, upper case (E_INTEGRITY). */
export function parseDigest(text: unknown): Digest {
  if (isDigest(text)) return text;
  const shown = typeof text === 'string' ? text.slice(0, 80) : typeof text;
  throw new BldError('E_INTEGRITY', `malformed digest ${JSON.stringify(shown)}`);
}

/** The digest's hexadecimal part. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

export function algorithmOf(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** Loaded when something is hashed: many commands hash nothing, and it takes 5 ms. */
const crypto = () => process.getBuiltinModule('node:crypto');

/** sha256 of bytes in hand. For streams see `Hasher`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${crypto().hash('sha256', bytes, 'hex')}`;
}

/** A running digest over bytes as they pass. */
export class Hasher {
  readonly #algorithm: 'sha256' | 'sha512';
  readonly #hash: Hash;
  size = 0;

  constructor(algorithm: 'sha256' | 'sha512' = 'sha256') {
    this.#algorithm = algorithm;
    this.#hash = crypto().createHash(algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
  }

  /** The digest of all that passed. Once only. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }
}
