import { BldError } from '../../base/errors.ts';
import { printable } from '../../base/log.ts';

export type TarType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo';

/** Bytes [offset, offset + length) of the file; the rest is a hole. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** One member of an archive, whatever dialect told it. */
export interface TarHeader {
  /** Bytes as in the archive: may begin with `/` or `./`, may hold `..`; see `memberPath`. Never a NUL. */
  readonly path: Buffer;
  readonly type: TarType;
  /** 0..0o7777. */
  readonly mode: number;
  /** 0..2^32-1. */
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the file, holes included; 0 for other types. */
  readonly size: number;
  /** Nanoseconds since 1970; negative before. */
  readonly mtime: bigint;
  /** Target of links; empty otherwise. */
  readonly linkPath: Buffer;
  readonly major: number;
  readonly minor: number;
  /** SCHILY.xattr.*; null stands for none. */
  readonly xattrs: ReadonlyMap<string, Buffer> | null;
  /** Data of a sparse file in ascending order; null when the body is the whole file. */
  readonly extents: readonly Extent[] | null;
}

/** A member with its bytes. The body must be read, or left, before the next entry is asked for. */
export interface TarEntry extends TarHeader {
  /** The file's bytes; of a sparse file those of its extents, one after another. */
  readonly body: AsyncIterable<Buffer>;
}

/** Caps against hostile archives; E_LIMIT beyond. */
export interface TarLimits {
  /** Members. */
  readonly entries: number;
  /** Bytes of all the records before one member: long names, PAX, xattrs. */
  readonly header: number;
  /** Extents of one sparse file. */
  readonly extents: number;
  /** Bytes of one file, holes included. */
  readonly fileSize: number;
}

export const DEFAULT_LIMITS: TarLimits = {
  entries: 5_000_000,
  header: 1 << 20,
  extents: 100_000,
  fileSize: 2 ** 44,
};

/** Longest path that any program in a container could use (PATH_MAX). */
const PATH_MAX = 4096;

/** A path for messages: bytes that are no UTF-8 and control characters made visible. */
export function shownPath(path: Buffer): string {
  return printable(path.toString('utf8', 0, 512)).replaceAll('\n', '\\n');
}

/**
 * The components of a member's name below its root: leading `/`, `.` and empty ones are gone; none means the root.
 * E_PATH on `..`, for no honest layer has it (it would depend on symlinks); E_LIMIT beyond PATH_MAX.
 */
export function memberPath(path: Buffer): Buffer[] {
  if (path.length >= PATH_MAX) {
    throw new BldError('E_LIMIT', `path of ${path.length} bytes in the archive: ${shownPath(path)}…`);
  }
  const parts: Buffer[] = [];
  for (let from = 0; from <= path.length; ) {
    const slash = path.indexOf(0x2f, from);
    const to = slash === -1 ? path.length : slash;
    const dots = path[from] === 0x2e ? to - from : 0;
    if (dots === 2 && path[from + 1] === 0x2e) {
      throw new BldError('E_PATH', `archive entry ${shownPath(path)} leaves its root by '..'`);
    }
    if (to > from && dots !== 1) parts.push(path.subarray(from, to));
    from = to + 1;
  }
  return parts;
}
