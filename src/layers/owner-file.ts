/**
 * The side file `owners` next to a tree: owners of objects that can carry no `user.*` attribute (symlinks, FIFOs, files
 * that everybody may write to). One line an object, the last of an inode wins: `ino \t uid \t gid \t path`, the path
 * percent-escaped. The sandbox appends lines of the same form while a RUN goes on.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../base/errors.ts';

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

/** Inode → owner; empty when there is no such file. Lines that are cut off or malformed are skipped. */
export function readOwners(file: string): ReadonlyMap<number, Owner> {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return new Map();
    throw error;
  }
  const owners = new Map<number, Owner>();
  for (const line of text.split('\n')) {
    const [ino, uid, gid] = line.split('\t', 3).map(Number);
    if (ino === undefined || uid === undefined || gid === undefined) continue;
    if (Number.isSafeInteger(ino) && Number.isSafeInteger(uid) && Number.isSafeInteger(gid)) {
      owners.set(ino, { uid, gid });
    }
  }
  return owners;
}
