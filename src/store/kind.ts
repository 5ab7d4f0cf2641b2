import { BldError } from '../base/errors.ts';
import { type Environment, environment, type Mode } from '../native/environment.ts';
import type { StoreKind } from './types.ts';

/** How files are kept in `mode`, on this side of a user namespace. */
export function kindOf(mode: Mode, { userxattr }: Pick<Environment, 'userxattr'> = environment()): StoreKind {
  return {
    xattrs: mode === 'root' && !userxattr ? 'trusted' : 'user',
    owners: mode === 'single' || mode === 'none' ? 'xattr' : 'real',
  };
}

function described(kind: StoreKind): string {
  const owners = kind.owners === 'real' ? 'real owners' : 'owners in extended attributes';
  return `${owners} and overlay marks in ${kind.xattrs}.*`;
}

/** E_STORE when a store of one kind is opened by a process that needs another: its files would lie. */
export function checkKind(found: StoreKind, needed: StoreKind): void {
  if (found.xattrs === needed.xattrs && found.owners === needed.owners) return;
  throw new BldError(
    'E_STORE',
    `the store was made in another mode: it keeps ${described(found)}, here bld needs ${described(needed)}`,
    { hint: 'run bld as the user and in the mode that made it, or choose another place with --root' },
  );
}
