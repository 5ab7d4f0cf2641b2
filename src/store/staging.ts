import { openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../base/errors.ts';
import { explainAt } from './disk.ts';
import { layout, makeDirectory } from './layout.ts';
import type { Presence } from './presence.ts';
import { removeTree } from './trees.ts';

/** Names in this process's staging directory, on the store's own file system: gone with the process, by any end. */
export interface Staging {
  /** A new empty file, open for reading and writing; the caller closes it. */
  file(): { readonly path: string; readonly fd: number };
  /** A new empty directory, mode 0700. */
  directory(): string;
  /** Moves something out of sight, by one rename; absent is success. `empty` removes it. */
  discard(path: string): void;
  /** Removes what was discarded: outside of transactions, for it may take its time. */
  empty(): void;
}

export function makeStaging(root: string, presence: Presence): Staging {
  let count = 0;
  let discarded: string[] = [];
  const next = () => join(layout.staging(root, presence.id()), String(++count));
  /** A new thing, made by `make` under a new name. */
  const fresh = <T>(make: (path: string) => T): T => {
    const path = next();
    try {
      return make(path);
    } catch (error) {
      throw explainAt(root, error, 'writing to the store');
    }
  };
  return {
    file() {
      return fresh((path) => ({ path, fd: openSync(path, 'wx+', 0o600) }));
    },
    directory() {
      return fresh((path) => {
        makeDirectory(path);
        return path;
      });
    },
    discard(path) {
      const away = next();
      try {
        renameSync(path, away);
        discarded.push(away);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    },
    empty() {
      const paths = discarded;
      discarded = [];
      for (const path of paths) removeTree(path);
    },
  };
}
