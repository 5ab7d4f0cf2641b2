import { constants } from 'node:fs';
import { type Fd, O_PATH, sys } from '../native/sys.ts';
import { type NewObject, setTime, timeForKernel } from './place.ts';
import type { Location } from './types.ts';

/** One batch holds no more than so many files, and about so many of their bytes. */
const MOST_FILES = 128;
const MOST_BYTES = 4 * 1024 * 1024;
/** So few are made sooner here than on a thread. */
const FEW = 6;

/** As struct record of native/overlay/addon-batch.c: dir, mode, uid, gid (4 bytes each), mtime (8), flags, name's length (4 each). */
const RECORD = 32;
const NAME_ROOM = 256; // NAME_MAX and a NUL
const HAS_MTIME = 1;
const REPLACE = 2;
const ONLY_TIME = 4;

const NOTHING = Buffer.alloc(0);
const HERE = Buffer.from('.');
const { O_DIRECTORY } = constants;

/** A small regular file to be made, plain: `OwnerWriter.isPlain`. */
export interface QueuedFile {
  readonly data: Buffer;
  readonly object: Pick<NewObject, 'mode' | 'mtime'>;
  readonly ids: { readonly uid: number; readonly gid: number };
  /** A file, link or device of that name gives way. */
  readonly replace: boolean;
  /** Makes it here and now, in the way that can do everything; called where the quick way fails, and throws what is wrong. */
  readonly make: (at: Location) => void | Promise<void>;
}

interface Batch {
  readonly records: Buffer;
  readonly starts: number[];
  readonly datas: Buffer[];
  readonly makes: (() => void | Promise<void>)[];
  readonly directories: Fd[];
  used: number;
  bytes: number;
}

function emptyBatch(): Batch {
  const records = Buffer.allocUnsafe(MOST_FILES * (RECORD + NAME_ROOM));
  return { records, starts: [], datas: [], makes: [], directories: [], used: 0, bytes: 0 };
}

/**
 * Small files on their way into a tree, made in order on another thread while their successors are read. `settle` waits
 * for all of them; whoever makes anything under a queued name, or looks for one, settles first. Dispose it before what
 * its files go into is removed.
 */
export class FileQueue implements AsyncDisposable {
  #batch: Batch | undefined;
  #directory: { readonly key: unknown; readonly fd: Fd } | undefined;
  #running: Promise<void> | undefined;

  /**
   * Queues a file; wait for what it returns, if anything. `key` tells the directory from others: descriptors are used
   * again. Throws what went wrong with files before.
   */
  add({ dir, name }: Location, key: unknown, file: QueuedFile): Promise<void> | undefined {
    const { data, object, ids, replace, make } = file;
    // too long: there is no room for it, and the kernel will refuse it
    if (name.length >= NAME_ROOM) return this.settle().then(() => make({ dir, name }));
    const { mode, mtime } = object;
    const record = { ...ids, mode, mtime, flags: HAS_MTIME | (replace ? REPLACE : 0) };
    return this.#enqueue({ dir, name }, key, { record, data, make });
  }

  /** Queues the setting of a time, behind the files that would change it. */
  setTime(at: Location, key: unknown, mtime: bigint): Promise<void> | undefined {
    const record = { mode: 0, uid: 0, gid: 0, mtime, flags: ONLY_TIME };
    return this.#enqueue(at, key, { record, data: NOTHING, make: (held) => setTime(held, mtime) });
  }

  /** True when nothing is queued or on its way. */
  get idle(): boolean {
    return this.#batch === undefined && this.#running === undefined;
  }

  /** Waits until all is made; throws what went wrong. */
  async settle(): Promise<void> {
    const batch = this.#take();
    if (batch) {
      if (this.#running || batch.starts.length > FEW) this.#send(batch);
      else await finish(batch, makeEach(batch));
    }
    const running = this.#running;
    await running;
    if (this.#running === running) this.#running = undefined;
  }

  #enqueue({ dir, name }: Location, key: unknown, { record, data, make }: Entry): Promise<void> | undefined {
    this.#batch ??= emptyBatch();
    const batch = this.#batch;
    let held = this.#directory;
    if (!held || held.key !== key) {
      // the queue's own, for the caller's may be closed meanwhile
      held = { key, fd: sys().openIn(dir, HERE, O_PATH | O_DIRECTORY) };
      batch.directories.push(held.fd);
      this.#directory = held;
    }
    const at = { dir: held.fd, name };
    batch.starts.push(batch.used);
    batch.used = pack(batch.records, batch.used, at, record);
    batch.datas.push(data);
    batch.makes.push(() => make(at));
    batch.bytes += data.length;
    if (batch.starts.length < MOST_FILES && batch.bytes < MOST_BYTES) return undefined;
    const before = this.#running;
    this.#take();
    this.#send(batch);
    return before;
  }

  #take(): Batch | undefined {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#directory = undefined;
    return batch;
  }

  #send(batch: Batch): void {
    const before = this.#running;
    const work = before ? before.then(() => makeBatch(batch)) : makeBatch(batch);
    this.#running = finish(batch, work);
    this.#running.catch(() => {}); // told to whoever waits
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const batch = this.#take();
    if (batch) closeAll(batch);
    await this.#running?.catch(() => {});
    this.#running = undefined;
  }
}

interface PackedFile {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: bigint;
  readonly flags: number;
}

interface Entry extends Pick<QueuedFile, 'data' | 'make'> {
  readonly record: PackedFile;
}

function pack(records: Buffer, start: number, { dir, name }: Location, file: PackedFile): number {
  let at = records.writeInt32LE(dir, start);
  at = records.writeUInt32LE(file.mode, at);
  at = records.writeInt32LE(file.uid | 0, at);
  at = records.writeInt32LE(file.gid | 0, at);
  at = records.writeBigInt64LE(timeForKernel(file.mtime), at);
  at = records.writeUInt32LE(file.flags, at);
  at = records.writeUInt32LE(name.length, at);
  at += name.copy(records, at);
  records[at] = 0;
  return at + 1;
}

async function makeBatch({ records, starts, datas, makes, used }: Batch): Promise<void> {
  for (let next = 0; next < starts.length; next++) {
    next += await sys().createFiles(records.subarray(starts[next], used), datas.slice(next));
    await makes[next]?.();
  }
}

async function makeEach({ makes }: Batch): Promise<void> {
  for (const make of makes) await make();
}

async function finish(batch: Batch, work: Promise<void>): Promise<void> {
  try {
    await work;
  } finally {
    closeAll(batch);
  }
}

function closeAll({ directories }: Batch): void {
  for (const fd of directories.splice(0)) sys().close(fd);
}
