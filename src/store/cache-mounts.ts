import { lstatSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../base/errors.ts';
import type { Context } from './context.ts';
import { explainAt } from './disk.ts';
import { layout } from './layout.ts';
import { writeRecord } from './records.ts';
import { existsDirectory, moveDirectory } from './trees.ts';
import type { Leases } from './types.ts';

/** A directory that outlives the commands that write to it. */
export interface KeptMount {
  /** 64 hexadecimal digits. */
  readonly name: string;
  /** What people call it; its name where that is not known. */
  readonly title: string;
  readonly directory: string;
  /** When a command last began to use it, milliseconds since 1970. */
  readonly used: number;
}

/** Who uses one holds the lease `cache:<name>`. */
export interface CacheMounts {
  /** The directory; null when there is none of the name. */
  find(name: string): string | null;
  /** Makes a directory of `scratch()` the one of the name; a twin that came first wins. Gives its path. */
  publish(name: string, directory: string): string;
  /** Notes that it is used now. */
  touch(name: string, title: string): void;
  list(): readonly KeptMount[];
  /** False when a live process uses it. */
  remove(name: string): boolean;
}

const NAME = /^[0-9a-f]{64}$/;

export function makeCacheMounts({ root, staging }: Context, leases: Leases): CacheMounts {
  const parent = layout.cacheMounts(root);
  const pathOf = (name: string) => join(parent, name);
  const noteOf = (name: string) => join(parent, `${name}.json`);

  const titleOf = (name: string): string => {
    try {
      const { title } = JSON.parse(readFileSync(noteOf(name), 'utf8')) as { readonly title?: unknown };
      return typeof title === 'string' ? title : name;
    } catch {
      return name; // an older bld made it, or it was written to right now
    }
  };

  return {
    find: (name) => (existsDirectory(pathOf(name)) ? pathOf(name) : null),

    publish(name, directory) {
      try {
        moveDirectory(directory, pathOf(name));
      } catch (error) {
        if (!isErrno(error, 'EEXIST', 'ENOTEMPTY')) throw explainAt(root, error, 'making a cache');
      }
      return pathOf(name);
    },

    touch(name, title) {
      if (titleOf(name) !== title) writeRecord(noteOf(name), { title });
      const now = new Date();
      try {
        utimesSync(noteOf(name), now, now);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw explainAt(root, error, 'using a cache');
        writeRecord(noteOf(name), { title });
      }
    },

    list: () =>
      readdirSync(parent)
        .filter((name) => NAME.test(name))
        .map((name) => {
          const note = lstatSync(noteOf(name), { throwIfNoEntry: false });
          const used = note ?? lstatSync(pathOf(name), { throwIfNoEntry: false });
          return { name, title: titleOf(name), directory: pathOf(name), used: used?.mtimeMs ?? 0 };
        }),

    remove(name) {
      using held = leases.tryHold(`cache:${name}`, 'exclusive');
      if (!held) return false;
      const away = join(staging.directory(), 'cache');
      try {
        moveDirectory(pathOf(name), away);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw explainAt(root, error, 'removing a cache');
      }
      staging.discard(noteOf(name));
      staging.discard(away);
      staging.empty();
      return true;
    },
  };
}
