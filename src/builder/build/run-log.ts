import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import { randomHex } from '../../base/random.ts';
import type { Store } from '../../store/types.ts';

const SHOWN_LINES = 50;
const KEPT_BYTES = 64 * 1024;
/** What is kept of a command's output as it comes; of what follows, the end. */
const LARGEST_LOG = 32 * 1024 * 1024;
/** Logs of failed commands that stay. */
const KEPT_LOGS = 20;

function directoryOf({ root }: Store): string {
  return join(root, 'logs');
}

interface LogFile {
  readonly fd: number;
  readonly path: string;
}

/** What a command writes: its end in memory, all of it in a scratch file that is gone unless it is kept. */
export class RunLog implements Disposable {
  readonly #store: Store;
  #end = Buffer.alloc(0);
  #file: LogFile | undefined;
  #size = 0;
  #isBroken = false;

  constructor(store: Store) {
    this.#store = store;
  }

  add(chunk: Buffer): void {
    const whole = Buffer.concat([this.#end, chunk.subarray(-KEPT_BYTES)]);
    this.#end = Buffer.from(whole.subarray(-KEPT_BYTES));
    const room = LARGEST_LOG - this.#size;
    this.#size += chunk.length;
    if (room <= 0 || this.#isBroken) return;
    this.#try(() => {
      this.#file ??= this.#open();
      writeAll(this.#file.fd, chunk.subarray(0, room));
    });
  }

  #open() {
    const path = join(this.#store.scratch(), `log-${randomHex(8)}`);
    return { path, fd: openSync(path, 'wx', 0o600) };
  }

  /** A log that cannot be written (a full disk) is no reason to stop: then there is none. */
  #try<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!isErrno(error)) throw error;
      log.debug(`the log of a command is not kept: ${error.message}`);
      this.#isBroken = true;
      this[Symbol.dispose]();
      return undefined;
    }
  }

  /** The last lines, at most 50. */
  tail(): string {
    return this.#end.toString('utf8').trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
  }

  /** Moves the whole log to where failed commands' logs stay, a bounded number of them; undefined when nothing was said. */
  keep(): string | undefined {
    const file = this.#file;
    return file && this.#try(() => this.#keep(file));
  }

  #keep({ fd, path }: LogFile): string {
    const lost = this.#size - LARGEST_LOG - this.#end.length;
    if (lost > 0) writeAll(fd, Buffer.from(`\n[${lost} bytes are left out here]\n`));
    if (this.#size > LARGEST_LOG) writeAll(fd, this.#end.subarray(Math.max(0, -lost)));
    const directory = directoryOf(this.#store);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const kept = join(directory, `run-${stamp}-${randomHex(4)}.log`);
    renameSync(path, kept);
    closeSync(fd);
    this.#file = undefined;
    const old = readdirSync(directory).sort().slice(0, -KEPT_LOGS);
    for (const name of old) rmSync(join(directory, name), { force: true });
    return kept;
  }

  [Symbol.dispose](): void {
    if (!this.#file) return;
    closeSync(this.#file.fd);
    rmSync(this.#file.path, { force: true });
    this.#file = undefined;
  }
}

/** Removes the logs of failed commands. */
export function dropLogs(store: Store): void {
  rmSync(directoryOf(store), { recursive: true, force: true });
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
