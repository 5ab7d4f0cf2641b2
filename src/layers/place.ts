import { closeSync, constants, ftruncateSync, writeSync } from 'node:fs';
import { HARMLESS_DEVICES } from '../base/devices.ts';
import { type Fd, sys } from '../native/sys.ts';
import type { OwnerWriter } from './owner.ts';
import type { Extent } from './tar/entry.ts';
import type { Location, Meta } from './types.ts';

/** An object to be made. */
export interface NewObject extends Omit<Meta, 'type'> {
  readonly type: Exclude<Meta['type'], 'socket'>;
  /** Of symlinks; empty otherwise. */
  readonly linkPath: Buffer;
}

/** Files up to this size are gathered and made by one call. */
export const SMALL_FILE = 1 << 20;

const TIME_MAX = 2n ** 63n - 1n;
const NOTHING = Buffer.alloc(0);

/** Others are kept as records, so that no image puts a disk or the machine's memory within reach of whoever can read the store. */
const HARMLESS = new Set(HARMLESS_DEVICES.map(([major, minor]) => `${major}:${minor}`));

/** The time, cut to what the kernel takes. */
export function timeForKernel(mtime: bigint): bigint {
  return mtime > TIME_MAX ? TIME_MAX : mtime < -TIME_MAX ? -TIME_MAX : mtime;
}

/** Sets the time, cut to what the kernel takes. */
export function setTime({ dir, name }: Location, mtime: bigint): void {
  sys().setTimes(dir, name, timeForKernel(mtime));
}

/** Makes a directory, symlink, FIFO or device with its owner, mode and attributes; EEXIST. A directory's time is the caller's. */
export function placeObject(at: Location, object: NewObject, path: Buffer, writer: OwnerWriter): void {
  const { dir, name } = at;
  switch (object.type) {
    case 'dir':
      sys().mkdir(dir, name, 0o700);
      writer.set(at, object, path);
      return;
    case 'symlink':
      sys().symlink(object.linkPath, dir, name);
      writer.set(at, object, path);
      setTime(at, object.mtime);
      return;
    case 'fifo':
      sys().mknod(dir, name, 'fifo', 0o600, 0, 0);
      writer.set(at, object, path);
      setTime(at, object.mtime);
      return;
    case 'char':
    case 'block':
      placeDevice(at, object, path, writer);
      setTime(at, object.mtime);
      return;
    case 'file':
      throw new Error('internal: placeObject makes no files');
  }
}

function placeDevice(at: Location, object: NewObject, path: Buffer, writer: OwnerWriter): void {
  const { type, major, minor } = object;
  if (type === 'char' && HARMLESS.has(`${major}:${minor}`) && writer.tryDevice(at, { major, minor })) {
    writer.set(at, object, path);
    return;
  }
  sys().createFile(at.dir, at.name, NOTHING, { mode: 0o600, uid: -1, gid: -1, mtime: null });
  writer.setDevice(at, object, path);
}

/** Makes a small regular file of bytes at hand; EEXIST. */
export function placeSmallFile(
  at: Location,
  object: NewObject,
  path: Buffer,
  { data, writer }: SmallFile,
): void {
  const { mode } = object;
  const mtime = timeForKernel(object.mtime);
  if (writer.isPlain(object)) {
    try {
      sys().createFile(at.dir, at.name, data, { mode, mtime, ...writer.ids(object) });
      return;
    } catch (error) {
      // an id outside of the user namespace: nothing was left, and `set` below finds another way to keep it
      if (!writer.isRefused(error)) throw error;
    }
  }
  sys().createFile(at.dir, at.name, data, { mode: 0o600, uid: -1, gid: -1, mtime: null });
  writer.set(at, object, path);
  setTime(at, mtime);
}

export interface SmallFile {
  readonly data: Buffer;
  readonly writer: OwnerWriter;
}

/** A new empty file to write to (O_EXCL: EEXIST); the caller closes it. */
export function openNewFile({ dir, name }: Location): Fd {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
  return sys().openIn(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, 0o600);
}

/** All of `data` at `position`. */
export function writeAt(fd: Fd, data: Buffer, position: number): void {
  for (let done = 0; done < data.length; )
    done += writeSync(fd, data, done, data.length - done, position + done);
}

/**
 * Makes a regular file from a stream of exactly its bytes (of its extents' bytes, when it is sparse); EEXIST before the
 * stream is touched.
 */
export async function placeLargeFile(
  at: Location,
  object: NewObject,
  path: Buffer,
  { body, extents, writer }: LargeFile,
): Promise<void> {
  const fd = openNewFile(at);
  try {
    if (extents) ftruncateSync(fd, object.size);
    const cursor = extentCursor(extents ?? [{ offset: 0, length: object.size }]);
    for await (const chunk of body) {
      for (let from = 0; from < chunk.length; ) {
        const { position, room } = cursor(chunk.length - from);
        writeAt(fd, chunk.subarray(from, from + room), position);
        from += room;
      }
    }
  } finally {
    closeSync(fd);
  }
  writer.set(at, object, path);
  setTime(at, object.mtime);
}

export interface LargeFile {
  readonly body: AsyncIterable<Buffer>;
  readonly extents: readonly Extent[] | null;
  readonly writer: OwnerWriter;
}

/** The whole body of a small file; nothing is copied when it comes in one chunk. */
export async function gather(body: AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  if (size === 0) return NOTHING;
  let whole: Buffer | undefined;
  let at = 0;
  for await (const chunk of body) {
    if (chunk.length === size) return chunk;
    whole ??= Buffer.allocUnsafe(size);
    at += chunk.copy(whole, at);
  }
  if (!whole || at !== size)
    throw new Error('internal: the body of a tar entry has another size than its header');
  return whole;
}

/** Tells where the next bytes of the data go, and how many of them. */
function extentCursor(extents: readonly Extent[]): (wanted: number) => { position: number; room: number } {
  let index = 0;
  let used = 0;
  return (wanted) => {
    let extent = extents[index];
    if (extent && used === extent.length) {
      index++;
      used = 0;
      extent = extents[index];
    }
    if (!extent) throw new Error('internal: more data than extents');
    const room = Math.min(wanted, extent.length - used);
    const position = extent.offset + used;
    used += room;
    return { position, room };
  };
}
