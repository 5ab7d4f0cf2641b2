import { randomBytes } from 'node:crypto';
import { constants, createWriteStream } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BldError, explain, isErrno } from '../../base/errors.ts';
import { readAll } from '../../base/streams.ts';
import { MAX_DOCUMENT } from '../json.ts';

/** Named files that an image is read from: a directory, or the members of an archive. Names use `/`. */
export interface FileTree extends AsyncDisposable {
  /** Size in bytes; null when there is no such file. E_PATH for anything but a regular file. */
  size(name: string): Promise<number | null>;
  /** The bytes from `offset` on; E_NOT_FOUND. */
  open(name: string, offset?: number): Promise<Readable>;
}

/** Bytes at a time: fewer turns of the event loop than Node's 64 KiB. */
export const CHUNK = 1 << 20;

/** The whole of a small file (4 MiB at most); `label` names the tree in errors. */
export async function readDocument(tree: FileTree, name: string, label: string): Promise<Buffer> {
  return readAll(await tree.open(name), MAX_DOCUMENT, `${label}: ${name}`);
}

/**
 * The files below a directory that somebody else made: symlinks are not followed, neither as files nor as the
 * directories on the way, and devices or pipes are not opened (E_PATH).
 */
export function directoryTree(root: string, label: string): FileTree {
  const refuse = (name: string, why: string) => new BldError('E_PATH', `${label}: ${name} is ${why}`);

  async function regular(name: string): Promise<FileHandle | null> {
    const parts = name.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/');
      const stat = await lstat(join(root, parent)).catch(absent);
      if (stat === null) return null;
      if (!stat.isDirectory()) throw refuse(parent, 'not a directory');
    }
    let file: FileHandle;
    try {
      file = await open(join(root, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (isErrno(error, 'ELOOP')) throw refuse(name, 'a symlink, which is not followed');
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
      throw explain(error, label);
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw refuse(name, 'not a regular file');
  }

  return {
    async size(name) {
      const file = await regular(name);
      if (file === null) return null;
      const { size } = await file.stat();
      await file.close();
      return size;
    },
    async open(name, offset = 0) {
      const file = await regular(name);
      if (file === null) throw new BldError('E_NOT_FOUND', `${label}: ${name} is missing`);
      return file.createReadStream({ start: offset, highWaterMark: CHUNK });
    },
    async [Symbol.asyncDispose]() {},
  };
}

function absent(error: unknown): null {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
  throw error;
}

/** The stream's bytes become the file at `path`, by rename when all are written and on disk. */
export async function writeStream(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await pipeline(source, createWriteStream(temporary, { flags: 'wx', flush: true, highWaterMark: CHUNK }));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Bytes [start, end) of an open file, which stays open. */
export async function* readRange(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** What `make` makes of the tree; the tree is closed when that fails. */
export async function withTree<T>(tree: FileTree, make: (tree: FileTree) => Promise<T>): Promise<T> {
  try {
    return await make(tree);
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}
