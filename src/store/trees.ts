import { chmodSync, lstatSync, renameSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isErrno } from '../base/errors.ts';
import { sys } from '../native/sys.ts';

/** Removes a whole tree; never crosses a mount, never follows a link; absent is success. */
export function removeTree(path: string): void {
  let parent: number;
  try {
    parent = sys().openRoot(dirname(path));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  try {
    sys().removeTree(parent, Buffer.from(basename(path)));
  } finally {
    sys().close(parent);
  }
}

/**
 * Renames a directory to another parent. The kernel asks for write permission on the directory itself, which the root
 * directory of an image may deny (mode 0555) to a user without capabilities.
 */
export function moveDirectory(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    const mode = lstatSync(from).mode & 0o7777;
    chmodSync(from, mode | 0o200);
    try {
      renameSync(from, to);
    } catch (second) {
      chmodSync(from, mode);
      throw second;
    }
    chmodSync(to, mode);
  }
}

export function existsDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
