import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { explain, isErrno } from '../../base/errors.ts';
import { standardOutput } from '../../base/streams.ts';
import { encodeBlock } from '../../layers/tar/header.ts';
import { END_OF_ARCHIVE, encodeHeader, padded } from '../../layers/tar/write.ts';

/** Bytes in order, to a file or a pipe. */
export interface ArchiveTarget {
  /** Resolves when the target takes more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Overwrites what was written before; absent where that cannot be. */
  readonly patch?: (bytes: Uint8Array, at: number) => Promise<void>;
  /** All is written: makes it visible. */
  finish(): Promise<void>;
  /** After `finish` nothing; before it, throws away what was written. */
  abandon(): Promise<void>;
}

const MODE = 0o644;
const EMPTY = Buffer.alloc(0);

/** A file that appears under its name when it is whole; a pipe or device is written to directly. */
export async function fileTarget(path: string): Promise<ArchiveTarget> {
  const output = standardOutput(path);
  if (output) return { ...streamTarget(output), finish: async () => {}, abandon: async () => {} };
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats && !stats.isFile()) return handleTarget(await opened(path, path, 'w'), {});
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await opened(temporary, path, 'wx');
  return {
    ...handleTarget(file, {
      finish: async () => {
        await file.sync();
        await rename(temporary, path);
      },
      abandon: () => rm(temporary, { force: true }),
    }),
    async patch(bytes, at) {
      await file.write(bytes, 0, bytes.length, at);
    },
  };
}

async function opened(path: string, shown: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags, MODE);
  } catch (error) {
    throw explain(error, `writing ${shown}`);
  }
}

interface Ending {
  readonly finish?: () => Promise<void>;
  readonly abandon?: () => Promise<void>;
}

function handleTarget(file: FileHandle, ending: Ending): ArchiveTarget {
  let ended = false;
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
    },
    async finish() {
      await ending.finish?.();
      ended = true;
      await file.close();
    },
    async abandon() {
      if (ended) return;
      ended = true;
      await file.close();
      await ending.abandon?.();
    },
  };
}

/** A stream that somebody else reads, such as the body of a request. */
export function streamTarget(stream: Writable): ArchiveTarget {
  const ended = finished(stream);
  ended.catch(() => {}); // whoever waits for it, hears of it
  return {
    async write(bytes) {
      if (!stream.write(bytes)) await Promise.race([once(stream, 'drain'), ended]);
    },
    async finish() {
      stream.end();
      await ended;
    },
    async abandon() {
      stream.destroy();
    },
  };
}

/** Writes a tar of plain files, one after another, straight to its target. Owners and times are 0. */
export interface ArchiveWriter extends AsyncDisposable {
  directory(name: string): Promise<void>;
  file(name: string, bytes: Uint8Array): Promise<void>;
  /** A file of unknown size: a target that cannot seek reads the stream twice, so it is opened anew for that. */
  stream(name: string, size: number | undefined, open: () => Promise<Readable>): Promise<void>;
  /** Ends the archive. Disposing before means that it never was. */
  finish(): Promise<void>;
}

export function archiveWriter(target: ArchiveTarget): ArchiveWriter {
  let position = 0;

  async function write(bytes: Uint8Array): Promise<void> {
    await target.write(bytes);
    position += bytes.length;
  }
  async function copy(source: Readable): Promise<number> {
    const start = position;
    for await (const chunk of source) await write(chunk as Buffer);
    return position - start;
  }
  return {
    directory: (name) => write(header(name, 'dir', 0)),
    async file(name, bytes) {
      await write(header(name, 'file', bytes.length));
      await write(bytes);
      await write(padded(bytes.length));
    },
    async stream(name, size, openStream) {
      const known = size ?? (target.patch ? undefined : await measure(await openStream()));
      const start = position;
      await write(known === undefined ? sizedBlock(name, 0) : header(name, 'file', known));
      const written = await copy(await openStream());
      if (known !== undefined && written !== known) {
        throw new Error(`internal: ${name} has ${written} bytes instead of ${known}`);
      }
      if (known === undefined) await target.patch?.(sizedBlock(name, written), start);
      await write(padded(written));
    },
    async finish() {
      await write(END_OF_ARCHIVE);
      await target.finish();
    },
    async [Symbol.asyncDispose]() {
      try {
        await target.abandon();
      } catch (error) {
        if (!isErrno(error)) throw error;
      }
    },
  };
}

async function measure(source: Readable): Promise<number> {
  let size = 0;
  for await (const chunk of source) size += (chunk as Buffer).length;
  return size;
}

function header(name: string, type: 'file' | 'dir', size: number): Buffer {
  return encodeHeader({
    path: Buffer.from(name),
    type,
    mode: type === 'dir' ? 0o755 : MODE,
    uid: 0,
    gid: 0,
    size,
    mtime: 0n,
    linkPath: EMPTY,
    major: 0,
    minor: 0,
    xattrs: null,
    extents: null,
  });
}

const SIZE_AT = 124;
const SIZE_LENGTH = 12;
const CHECKSUM_AT = 148;

/** One block whatever the size: beyond eight octal gigabytes the number is in base 256, as GNU tar writes it. */
function sizedBlock(name: string, size: number): Buffer {
  const fields = { name: Buffer.from(name), flag: '0', mode: MODE, uid: 0, gid: 0, mtime: 0 };
  if (size <= 0o77777777777) return encodeBlock({ ...fields, size });
  const block = encodeBlock({ ...fields, size: 0 });
  block.writeUInt8(0x80, SIZE_AT);
  block.writeBigUInt64BE(BigInt(size), SIZE_AT + SIZE_LENGTH - 8);
  block.fill(0, SIZE_AT + 1, SIZE_AT + SIZE_LENGTH - 8);
  block.fill(' ', CHECKSUM_AT, CHECKSUM_AT + 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM_AT, 'latin1');
  return block;
}
