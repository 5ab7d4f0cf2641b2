import { constants } from 'node:fs';
import { type Fd, sys } from '../native/sys.ts';
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
/** As <fcntl.h>; Node's constants lack it. */
const O_PATH = 0o10000000;

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
    const { data, object, ids, replace } = file;
    // too long: there is no room for it, and the kernel will refuse it
    if (name.length >= NAME_ROOM) return this.settle().then(() => file.make({ dir, name }));
    const at = { dir: this.#hold(dir, key), name };
    const flags = HAS_MTIME | (replace ? REPLACE : 0);
    this.#push(at, { ...ids, mode: object.mode, mtime: object.mtime, flags }, data);
    this.#batch?.makes.push(() => file.make(at));
    return this.#full();
  }

  /** Queues the setting of a time, behind the files that would change it. */
  setTime({ dir, name }: Location, key: unknown, mtime: bigint): Promise<void> | undefined {
    const at = { dir: this.#hold(dir, key), name };
    this.#push(at, { mode: 0, uid: 0, gid: 0, mtime, flags: ONLY_TIME }, NOTHING);
    this.#batch?.makes.push(() => setTime(at, mtime));
    return this.#full();
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

  /** The queue's own descriptor of the directory, for the caller's may be closed meanwhile. */
  #hold(dir: Fd, key: unknown): Fd {
    this.#batch ??= emptyBatch();
    if (this.#directory?.key !== key || key === undefined) {
      const fd = sys().openIn(dir, HERE, O_PATH | O_DIRECTORY);
      this.#batch.directories.push(fd);
      this.#directory = { key, fd };
    }
    return this.#directory?.fd ?? dir;
  }

  #push(at: Location, record: PackedFile, data: Buffer): void {
    const batch = this.#batch;
    if (!batch) throw new Error('internal: no batch');
    batch.starts.push(batch.used);
    batch.used = pack(batch.records, batch.used, at, record);
    batch.datas.push(data);
    batch.bytes += data.length;
  }

  #take(): Batch | undefined {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#directory = undefined;
    return batch;
  }

  #full(): Promise<void> | undefined {
    const batch = this.#batch;
    if (!batch || (batch.starts.length < MOST_FILES && batch.bytes < MOST_BYTES)) return undefined;
    const before = this.#running;
    this.#take();
    this.#send(batch);
    return before;
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
