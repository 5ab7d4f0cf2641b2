import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let root: string | undefined;

/** The directory of bld's package: the nearest above this file (source or bundle) with `native/overlay`. */
export function installRoot(): string {
  if (root) return root;
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, 'native/overlay/Makefile'))) {
    const up = dirname(at);
    if (up === at) throw new Error('internal: the package directory of bld was not found');
    at = up;
  }
  root = at;
  return at;
}
