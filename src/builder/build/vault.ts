import { readFileSync, statSync } from 'node:fs';
import { BldError, explain } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import { type Needle, needlesOf } from '../needles.ts';

/** Where the value of a `--secret` comes from. */
export type SecretSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'value'; readonly value: string };

const LARGEST_SECRET = 500 * 1024;

/** The secrets of one build, each read once: a file may be a pipe. */
export interface Vault {
  /** Undefined when no such secret was given. E_LIMIT, or what reading it failed with. */
  value(id: string): Buffer | undefined;
  /** What tells the secrets' bytes in output and layers. A file that cannot be read yet has none. */
  needles(): readonly Needle[];
}

export function openVault(sources: ReadonlyMap<string, SecretSource>): Vault {
  const values = new Map<string, Buffer>();
  let needles: readonly Needle[] | undefined;
  const value = (id: string): Buffer | undefined => {
    const source = sources.get(id);
    if (!source) return undefined;
    const known = values.get(id);
    if (known) return known;
    const bytes = source.kind === 'file' ? readSecret(id, source.path) : Buffer.from(source.value);
    values.set(id, bytes);
    needles = undefined;
    return bytes;
  };
  return {
    value,
    needles() {
      if (needles) return needles;
      for (const [id, source] of sources) if (isAtHand(source)) value(id);
      needles = [...values].flatMap(([id, bytes]) => needlesOf(id, bytes));
      return needles;
    },
  };
}

function readSecret(id: string, path: string): Buffer {
  try {
    if (statSync(path).size > LARGEST_SECRET) {
      throw new BldError('E_LIMIT', `secret ${id} is larger than ${LARGEST_SECRET} bytes: ${path}`);
    }
    return readFileSync(path);
  } catch (error) {
    throw explain(error, `reading secret ${id}`);
  }
}

/** A pipe is read when a step asks for it, and not before. */
function isAtHand(source: SecretSource): boolean {
  if (source.kind === 'value') return true;
  try {
    const stat = statSync(source.path);
    return stat.isFile() && stat.size <= LARGEST_SECRET;
  } catch (error) {
    log.debug(`secret ${source.path}: ${String(error)}`);
    return false;
  }
}
