import { Readable } from 'node:stream';
import { connect, type Repository } from '../../../src/registry/client.ts';
import type { RegistryOptions } from '../../../src/registry/config.ts';
import type { TestRegistry } from '../../helpers/registry.ts';

/** Bytes that differ at every position class, so that a misplaced resumption shows. */
export function noise(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0, state = 1; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

/** A repository of a test registry, with retries that do not wait and no login of the machine. */
export function repositoryOf(
  registry: TestRegistry,
  name = 'a/b',
  options: RegistryOptions = {},
): Repository {
  return connect(registry.host, name, {
    credentials: { username: 'user', password: 'secret' },
    retry: { attempts: 3, delayMs: 1 },
    ...options,
  });
}

/** Opens bytes as uploads want them, in pieces. */
export function opener(bytes: Buffer, piece = 65_536): (offset: number) => Readable {
  const pieces = function* (offset: number) {
    for (let at = offset; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  };
  return (offset) => Readable.from(pieces(offset), { objectMode: false });
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
