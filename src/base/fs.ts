import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from './errors.ts';
import { randomHex } from './random.ts';

/** The bytes are at `path`, whole and on disk, or the file is as it was: temporary name, fsync, rename, fsync. */
export function writeFileAtomic(path: string, bytes: string | Uint8Array, mode = 0o600): void {
  const temporary = `${path}.${randomHex(6)}`;
  const fd = openSync(temporary, 'wx', mode);
  try {
    const data = Buffer.from(bytes);
    for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // the first error tells more
    }
    throw error;
  }
  syncDirectory(dirname(path));
}

/** Makes renames and creations in the directory survive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * The directory with its missing parents; one that is there is success. Node's own recursive mkdir never ends where the
 * kernel answers ENOENT below a directory that exists, as in /proc.
 */
export function makeDirectories(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (isErrno(error, 'EEXIST') && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (!isErrno(error, 'ENOENT') || existsSync(parent)) throw error;
    makeDirectories(parent, mode);
    makeDirectories(path, mode);
  }
}

/** The process's own directory; one that was removed has a name that no path leads to. */
export function currentDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return readlinkSync('/proc/self/cwd');
  }
}
