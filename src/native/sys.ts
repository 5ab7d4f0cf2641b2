/**
 * What Node lacks, by the addon (native/overlay/addon.c): all calls are synchronous, work relative to directory
 * descriptors, never follow a symlink in the last component, and throw errors with `code` ('ENOENT'), `errno` and
 * `syscall`. Names and paths inside images are bytes, not text: Buffers. A `name` is one component: EINVAL when it
 * holds a `/` or is `..`; the empty name is the descriptor itself. Only `openIn` resolves paths.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { lendSha256 } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { lendExit } from '../base/exit.ts';
import { installRoot } from './install.ts';

export type Fd = number;

export type FileType = 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';

export interface Stat {
  readonly type: FileType;
  /** Permission bits with setuid, setgid, sticky: 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly dev: number;
  readonly ino: number;
  readonly nlink: number;
  /** Of devices, else 0. */
  readonly major: number;
  readonly minor: number;
  /** 512-byte blocks in use: fewer than size/512 in a sparse file. */
  readonly blocks: number;
}

export interface OverlayOptions {
  /** Absolute paths, the uppermost first; at least one. */
  readonly lower: readonly string[];
  /** Both or none: without them the mount is read-only. */
  readonly upper?: string;
  readonly work?: string;
  /** In a user namespace: whiteouts and opaque marks in `user.overlay.*`. */
  readonly userxattr: boolean;
}

export interface Sys {
  /** A directory, to work below: O_PATH | O_DIRECTORY | O_CLOEXEC. */
  openRoot(path: string): Fd;
  /**
   * openat2 with RESOLVE_IN_ROOT: `..`, absolute paths and symlinks stay inside `root`; a component-wise walk
   * where the call is denied (ENOSYS, EPERM). `flags` as node:fs constants, O_CLOEXEC is added; `mode` for O_CREAT.
   */
  openIn(root: Fd, path: Buffer, flags: number, mode?: number): Fd;
  close(fd: Fd): void;

  /** Entries without `.` and `..`, in the directory's own order; `type` is undefined where the file system hides it. */
  readDir(dir: Fd): { name: Buffer; type: FileType | undefined }[];
  /** lstat by name; `null` when absent (ENOENT, ENOTDIR). Empty name: the descriptor itself. */
  stat(dir: Fd, name: Buffer): Stat | null;
  readLink(dir: Fd, name: Buffer): Buffer;

  mkdir(dir: Fd, name: Buffer, mode: number): void;
  symlink(target: Buffer, dir: Fd, name: Buffer): void;
  link(fromDir: Fd, fromName: Buffer, dir: Fd, name: Buffer): void;
  mknod(
    dir: Fd,
    name: Buffer,
    type: 'char' | 'block' | 'fifo' | 'socket',
    mode: number,
    major: number,
    minor: number,
  ): void;
  unlink(dir: Fd, name: Buffer): void;
  rmdir(dir: Fd, name: Buffer): void;
  /** A whole tree, never crossing a mount, never following a link; absent is success. */
  removeTree(dir: Fd, name: Buffer): void;
  rename(fromDir: Fd, fromName: Buffer, dir: Fd, name: Buffer, how?: 'noreplace' | 'exchange'): void;

  chown(dir: Fd, name: Buffer, uid: number, gid: number): void;
  /** Not for symlinks (their mode means nothing). */
  chmod(dir: Fd, name: Buffer, mode: number): void;
  setTimes(dir: Fd, name: Buffer, mtime: bigint): void;
  /** All names and values; empty where unsupported. */
  getXattrs(dir: Fd, name: Buffer): { name: Buffer; value: Buffer }[];
  getXattr(dir: Fd, name: Buffer, attribute: string): Buffer | null;
  setXattr(dir: Fd, name: Buffer, attribute: Buffer, value: Buffer): void;
  removeXattr(dir: Fd, name: Buffer, attribute: string): void;

  /** A new regular file (O_EXCL), its bytes, owner (skipped if -1), mode and mtime in one call. */
  createFile(
    dir: Fd,
    name: Buffer,
    data: Buffer,
    meta: { mode: number; uid: number; gid: number; mtime: bigint | null },
  ): void;
  /**
   * The same for many on another thread, in order, until one fails; how many were made. What the records are like:
   * src/layers/file-queue.ts. The buffers must not change meanwhile.
   */
  createFiles(records: Buffer, datas: readonly Buffer[]): Promise<number>;
  /** All bytes from `from` to `to` from their positions on: reflink, else copy_file_range, else read and write. Bytes copied. */
  copyFile(from: Fd, to: Fd): number;
  /** The whole of a small regular file; ELOOP/EINVAL for another type. */
  readFile(dir: Fd, name: Buffer): Buffer;
  /** Data extents [start, end) by SEEK_DATA/SEEK_HOLE; one extent where the file system has no holes. */
  extents(fd: Fd): { start: number; end: number }[];

  /** Flushes the file system that holds `fd`. */
  syncfs(fd: Fd): void;
  /** flock: true when taken, false when another open file holds it (never waits). The kernel frees it with the last descriptor. */
  tryLock(fd: Fd, how: 'shared' | 'exclusive'): boolean;
  unlock(fd: Fd): void;

  /**
   * An overlay as a detached mount: paths below the descriptor show the merged tree, nothing else on the machine
   * does, and it is gone with the last descriptor. New mount API (`lowerdir+`), else mount(2) + open_tree.
   */
  mountOverlay(options: OverlayOptions): Fd;
  /** An empty tmpfs as a detached mount; `size` in bytes, half of the memory when absent. */
  mountTmpfs(options: { readonly size?: number | undefined; readonly mode: number }): Fd;
  /** A detached clone of the tree at `path` (open_tree). */
  cloneTree(path: string, recursive: boolean): Fd;
  /** Attaches a detached mount at `path`, in the mount namespace `namespace` (an open /proc/PID/ns/mnt) or our own. */
  attachMount(mount: Fd, path: string, namespace?: Fd): void;
  /** umount2(MNT_DETACH); EINVAL when nothing is mounted there. */
  unmount(path: string, namespace?: Fd): void;
  /**
   * Starts a program with one word, an empty environment and these descriptors: 0 to 2 (-1 is /dev/null), a channel as 3,
   * the rest as 4 and on. `tell` gets what it says on the channel, and null after its end; the channel (the second of
   * the result, beside the pid) is then the caller's to close.
   */
  startProcess(
    program: string,
    word: string,
    fds: readonly Fd[],
    tell: (said: Buffer | null) => void,
  ): readonly [pid: number, channel: Fd];
  /** prctl(PR_SET_CHILD_SUBREAPER) and the like are the helper's; this is the process's umask, 0 for exact modes. */
  umask(mask: number): number;

  /** Hexadecimal; slow beside OpenSSL, and there at once. */
  sha256(bytes: Uint8Array): string;
  /** Ends the process at once: what waits in memory to be written is lost. */
  exit(code: number): never;
}

/** The addon's own face: numbers, Buffers and packed records, so that one call crosses into C once. */
interface Addon {
  /** Filled by `stat`: twelve int64. */
  readonly statRecord: ArrayBuffer;
  stat(dir: Fd, name: Buffer): boolean;
  openIn(root: Fd, path: Buffer, flags: number, mode: number): Fd;
  /** Entries of: DT_* (1 byte), length (2), name. */
  readDir(dir: Fd): Buffer;
  mknod(dir: Fd, name: Buffer, mode: number, major: number, minor: number): void;
  rename(fromDir: Fd, fromName: Buffer, dir: Fd, name: Buffer, flags: number): void;
  /** Entries of: length of the name (2), length of the value (4), name, value; null instead of none. */
  getXattrs(dir: Fd, name: Buffer): Buffer | null;
  createFile(
    dir: Fd,
    name: Buffer,
    data: Buffer,
    mode: number,
    uid: number,
    gid: number,
    mtime: bigint | null,
  ): void;
  /** Pairs of int64. */
  extents(fd: Fd): Buffer;
  flock(fd: Fd, operation: number): boolean;
  mountOverlay(
    lower: readonly string[],
    upper: string | null,
    work: string | null,
    userxattr: number,
    legacy: number,
  ): Fd;
  mountTmpfs(size: string | null, mode: string): Fd;
  cloneTree(path: string, recursive: number): Fd;
  attachMount(mount: Fd, path: string, namespace: number): void;
  unmount(path: string, namespace: number): void;
}

type Direct = Omit<Sys, Exclude<keyof Addon, 'statRecord'> | 'tryLock' | 'unlock'>;

/** As <fcntl.h>, the same on every architecture; Node's constants lack it. */
export const O_PATH = 0o10000000;

/** By the type bits of `st_mode` >> 12, which are also the DT_* of a directory's entries. */
const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  'fifo',
  'char',
  undefined,
  'dir',
  undefined,
  'block',
  undefined,
  'file',
  undefined,
  'symlink',
  undefined,
  'socket',
];
const TYPE_BITS = { char: 0o020000, block: 0o060000, fifo: 0o010000, socket: 0o140000 } as const;
const RENAME = { noreplace: 1, exchange: 2 } as const;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_UN = 8;

function unpackEntries(packed: Buffer): { name: Buffer; type: FileType | undefined }[] {
  const entries: { name: Buffer; type: FileType | undefined }[] = [];
  for (let at = 0; at < packed.length; ) {
    const end = at + 3 + packed.readUInt16LE(at + 1);
    entries.push({ name: packed.subarray(at + 3, end), type: TYPES[packed.readUInt8(at)] });
    at = end;
  }
  return entries;
}

function unpackXattrs(packed: Buffer): { name: Buffer; value: Buffer }[] {
  const attributes: { name: Buffer; value: Buffer }[] = [];
  for (let at = 0; at < packed.length; ) {
    const middle = at + 6 + packed.readUInt16LE(at);
    const end = middle + packed.readUInt32LE(at + 2);
    attributes.push({ name: packed.subarray(at + 6, middle), value: packed.subarray(middle, end) });
    at = end;
  }
  return attributes;
}

function unpackExtents(packed: Buffer): { start: number; end: number }[] {
  const extents: { start: number; end: number }[] = [];
  for (let at = 0; at < packed.length; at += 16) {
    extents.push({
      start: Number(packed.readBigInt64LE(at)),
      end: Number(packed.readBigInt64LE(at + 8)),
    });
  }
  return extents;
}

/** Reads the record that the addon's `stat` fills. */
function statReader(record: ArrayBuffer): () => Stat {
  const fields = new BigInt64Array(record) as unknown as Record<StatField, bigint>;
  return () => {
    const mode = Number(fields[0]);
    return {
      type: TYPES[mode >> 12] ?? 'file',
      mode: mode & 0o7777,
      uid: Number(fields[1]),
      gid: Number(fields[2]),
      size: Number(fields[3]),
      mtime: fields[4],
      ctime: fields[5],
      dev: Number(fields[6]),
      ino: Number(fields[7]),
      nlink: Number(fields[8]),
      major: Number(fields[9]),
      minor: Number(fields[10]),
      blocks: Number(fields[11]),
    };
  };
}
type StatField = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11;

function wrap(addon: Direct & Addon): Sys {
  const readStat = statReader(addon.statRecord);
  return {
    ...addon,
    openIn: (root, path, flags, mode = 0o666) => addon.openIn(root, path, flags, mode),
    readDir: (dir) => unpackEntries(addon.readDir(dir)),
    stat: (dir, name) => (addon.stat(dir, name) ? readStat() : null),
    mknod: (dir, name, type, mode, major, minor) =>
      addon.mknod(dir, name, TYPE_BITS[type] | mode, major, minor),
    rename: (fromDir, fromName, dir, name, how) =>
      addon.rename(fromDir, fromName, dir, name, how ? RENAME[how] : 0),
    getXattrs: (dir, name) => {
      const packed = addon.getXattrs(dir, name);
      return packed ? unpackXattrs(packed) : [];
    },
    createFile: (dir, name, data, { mode, uid, gid, mtime }) =>
      addon.createFile(dir, name, data, mode, uid, gid, mtime),
    extents: (fd) => unpackExtents(addon.extents(fd)),
    tryLock: (fd, how) => addon.flock(fd, how === 'shared' ? LOCK_SH : LOCK_EX),
    unlock: (fd) => {
      addon.flock(fd, LOCK_UN);
    },
    mountOverlay: ({ lower, upper, work, userxattr }) =>
      addon.mountOverlay(lower, upper ?? null, work ?? null, Number(userxattr), 0),
    mountTmpfs: ({ size, mode }) => addon.mountTmpfs(size?.toString() ?? null, mode.toString(8)),
    cloneTree: (path, recursive) => addon.cloneTree(path, Number(recursive)),
    attachMount: (mount, path, namespace = -1) => addon.attachMount(mount, path, namespace),
    unmount: (path, namespace = -1) => addon.unmount(path, namespace),
  };
}

const require = createRequire(import.meta.url);

function load(): Direct & Addon {
  const path = join(installRoot(), 'native/overlay/build/addon.node');
  try {
    return require(path) as Direct & Addon;
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new BldError('E_ENVIRONMENT', `bld's native part cannot be loaded: ${cause.message}`, {
      hint: `build it with gcc and make: make -C ${join(installRoot(), 'native/overlay')}`,
      cause,
    });
  }
}

/** The one instance. Loaded on first use, so that commands that touch no file system object do not pay for it. */
let loaded: Sys | undefined;
export function sys(): Sys {
  if (!loaded) {
    loaded = wrap(load());
    lendExit(loaded.exit);
  }
  return loaded;
}

lendSha256((bytes) => sys().sha256(bytes));
