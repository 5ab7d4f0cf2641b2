import { constants } from 'node:fs';
import { isErrno } from '../base/errors.ts';
import { type Fd, O_PATH, sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { readMeta } from './owner.ts';
import { ownerFileOf, readOwners } from './owner-file.ts';
import type { Meta } from './types.ts';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const SELF = Buffer.alloc(0);

/**
 * Metadata of directories that a layer has no entry for, but files in: some tools leave parents out. Overlay shows the
 * uppermost directory's, so they must look as in the trees below (`stack`, uppermost first), or /tmp would lose its 1777.
 */
export class ImpliedDirectories implements Disposable {
  readonly #trees: readonly { readonly root: Fd; readonly view: Parameters<typeof readMeta>[2] }[];

  constructor(stack: readonly string[], kind: StoreKind) {
    this.#trees = stack.map((tree) => {
      return {
        root: sys().openRoot(tree),
        view: { owners: kind.owners, side: readOwners(ownerFileOf(tree)) },
      };
    });
  }

  /** The directory as the uppermost tree that has it says; null where none does. */
  find(path: Buffer): Meta | null {
    for (const { root, view } of this.#trees) {
      const fd = open(root, path);
      if (fd === null) continue;
      try {
        const stat = sys().stat(fd, SELF);
        if (stat) return readMeta({ dir: fd, name: SELF }, stat, view);
      } finally {
        sys().close(fd);
      }
    }
    return null;
  }

  [Symbol.dispose](): void {
    for (const { root } of this.#trees) sys().close(root);
  }
}

function open(root: Fd, path: Buffer): Fd | null {
  try {
    return sys().openIn(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null;
    throw error;
  }
}
