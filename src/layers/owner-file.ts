/**
 * The side file `owners` next to a tree: owners of objects that can carry no `user.*` attribute (symlinks, FIFOs, files
 * that everybody may write to). One line an object, the last of an inode wins: `ino \t uid \t gid \t path`, the path
 * percent-escaped. The sandbox appends lines of the same form while a RUN goes on.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../base/errors.ts';
import type { Stat } from '../native/sys.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The side file of the tree at `path` (`…/diff`, `…/upper`). */
export function ownerFileOf(tree: string): string {
  return join(dirname(tree), 'owners');
}

function escaped(path: Buffer): string {
  return path.toString('latin1').replace(/[^!-$&-~]/g, (c) => {
    return `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** One line of the file. */
export function ownerLine(ino: number, owner: Owner, path: Buffer): string {
  return `${ino}\t${owner.uid}\t${owner.gid}\t${escaped(path)}\n`;
}

/** Adds lines with one write, so that two writers do not mix theirs. */
export function appendOwners(file: string, lines: readonly string[]): void {
  if (lines.length > 0) appendFileSync(file, lines.join(''), { mode: 0o600 });
}

/**
 * What a side file says. An object is found by its inode; a symlink also by its path, for one that a RUN has changed
 * and that came from a layer below still shows that layer's inode to the RUN.
 */
export interface Owners {
  readonly byInode: ReadonlyMap<number, Owner>;
  /** Escaped as in the file. */
  readonly byPath: ReadonlyMap<string, Owner>;
}

/** The owner that the side file has for the object. */
export function ownerIn(
  owners: Owners,
  stat: Pick<Stat, 'ino' | 'type'>,
  path: Buffer | undefined,
): Owner | undefined {
  const known = owners.byInode.get(stat.ino);
  if (known || stat.type !== 'symlink' || path === undefined || owners.byPath.size === 0) return known;
  return owners.byPath.get(escaped(path));
}

/** Reads the file; empty when there is none. Lines that are cut off or malformed are skipped. */
export function readOwners(file: string): Owners {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return { byInode: new Map(), byPath: new Map() };
    throw error;
  }
  const byInode = new Map<number, Owner>();
  const byPath = new Map<string, Owner>();
  for (const line of text.split('\n')) {
    const [path] = line.split('\t').slice(3);
    const [ino, uid, gid] = line.split('\t', 3).map(Number);
    if (ino === undefined || uid === undefined || gid === undefined) continue;
    if (Number.isSafeInteger(ino) && Number.isSafeInteger(uid) && Number.isSafeInteger(gid)) {
      byInode.set(ino, { uid, gid });
      if (path !== undefined) byPath.set(path, { uid, gid });
    }
  }
  return { byInode, byPath };
}

/** Those of several trees that are merged, the uppermost last. Trees of one store share a file system and its inodes. */
export function joinedOwners(all: readonly Owners[]): Owners {
  return {
    byInode: new Map(all.flatMap(({ byInode }) => [...byInode])),
    byPath: new Map(all.flatMap(({ byPath }) => [...byPath])),
  };
}
