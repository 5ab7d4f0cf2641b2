import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
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
