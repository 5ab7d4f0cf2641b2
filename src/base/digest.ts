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

/** Loaded when much is hashed: it takes 10 ms, as much as a short command's own work. */
const crypto = () => process.getBuiltinModule('node:crypto');

/** So many bytes are hashed without it. */
const LITTLE = 64 * 1024;

/** sha256 in hexadecimal, by whoever can do it at once. */
let quick: ((bytes: Uint8Array) => string) | undefined;

/** Lends a sha256 for little data: hexadecimal digits of bytes in hand. */
export function lendSha256(sha256: (bytes: Uint8Array) => string): void {
  quick = sha256;
}

/** sha256 of bytes in hand. For streams see `Hasher`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  if (quick && bytes.length <= LITTLE) {
    return `sha256:${quick(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)}`;
  }
  return `sha256:${crypto().hash('sha256', bytes, 'hex')}`;
}

/** A running digest over bytes as they pass. */
export class Hasher {
  readonly #algorithm: 'sha256' | 'sha512';
  #hash: Hash | undefined;
  /** Copies of what passed, while it is little. */
  #held: Buffer[] = [];
  size = 0;

  constructor(algorithm: 'sha256' | 'sha512' = 'sha256') {
    this.#algorithm = algorithm;
    if (algorithm !== 'sha256' || !quick) this.#hash = crypto().createHash(algorithm);
  }

  update(chunk: Uint8Array): void {
    this.size += chunk.length;
    if (!this.#hash && this.size > LITTLE) this.#begin();
    if (this.#hash) this.#hash.update(chunk);
    else this.#held.push(Buffer.from(chunk));
  }

  #begin(): void {
    this.#hash = crypto().createHash(this.#algorithm);
    for (const held of this.#held) this.#hash.update(held);
    this.#held = [];
  }

  /** The digest of all that passed. Once only. */
  digest(): Digest {
    if (!this.#hash) return digestOf(Buffer.concat(this.#held));
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }
}
