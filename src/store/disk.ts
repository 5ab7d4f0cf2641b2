import { statfsSync } from 'node:fs';
import { BldError, explain, isErrno } from '../base/errors.ts';

/** More free than this, and a file of unknown size that does not fit lacks something else. */
const LITTLE = 1024 * 1024; // bytes

/** Bytes that may still be written below `path`; undefined where the file system does not tell. */
export function freeSpace(path: string): number | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return blocks > 0 ? bavail * bsize : undefined;
  } catch {
    return undefined;
  }
}

/** False when no more files can be made, however many bytes are free. */
function hasInodes(path: string): boolean {
  try {
    const { ffree, files } = statfsSync(path);
    return files === 0 || ffree > 0;
  } catch {
    return true;
  }
}

/** True when not a byte, or not a file more, can be written below `path`. */
export function isFull(path: string): boolean {
  return freeSpace(path) === 0 || !hasInodes(path);
}

/** Bytes for people: `12.3 MB`. */
function shown(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** E_DISK_FULL that names what is needed (bytes, if known), what is free, and where. */
export function diskFull(path: string, context: string, need?: number, cause?: unknown): BldError {
  const free = freeSpace(path);
  const figures = [
    ...(need === undefined ? [] : [`needs ${shown(need)}`]),
    ...(free === undefined ? [] : [`${shown(free)} free`]),
    `in ${path}`,
  ].join(', ');
  const isRoomy = free !== undefined && free > (need ?? LITTLE);
  const what = !hasInodes(path) ? 'inodes' : isRoomy ? 'space or inodes' : 'space';
  return new BldError('E_DISK_FULL', `${context}: no ${what} left (${figures})`, {
    hint: 'free some space (bld rmi --prune, bld rm --all) or move the store with --root',
    cause,
  });
}

/** `explain`, with figures for a full disk. `need` in bytes. */
export function explainAt(path: string, error: unknown, context: string, need?: number): unknown {
  return isErrno(error, 'ENOSPC') ? diskFull(path, context, need, error) : explain(error, context);
}
