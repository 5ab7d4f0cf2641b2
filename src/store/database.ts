import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { BldError, explain, isErrno } from '../base/errors.ts';
import { syncDirectory } from '../base/fs.ts';
import { diskFull, isFull } from './disk.ts';

/** How long a transaction waits for another process's one; they are all short. */
const BUSY_TIMEOUT = 60_000; // ms

/** Pages in the log before they are moved to the index: who opens a log reads all of it, and moving waits for the disk. */
const LOG_PAGES = 250;

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const CODE = { busy: 5, locked: 6, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 };

export const REPAIR_HINT = 'rebuild the index from what is on disk: bld check --repair';

function codeOf(error: unknown): number | undefined {
  const known = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
  return known ? (error.errcode as number) & 0xff : undefined;
}

/** SQLite's error in bld's words; anything else as it is. */
function translated(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code === undefined || !(error instanceof Error)) return error;
  const text = `${path}: ${error.message}`;
  switch (code) {
    case CODE.busy:
    case CODE.locked:
      return new BldError('E_STORE', `${path}: another process has held the index for a minute`, {
        hint: 'look for a stopped bld process (ps -C bld)',
        cause: error,
      });
    case CODE.readonly:
      return new BldError('E_PERMISSION', `${path}: the store is read-only`, {
        hint: 'choose another place with --root',
        cause: error,
      });
    case CODE.corrupt:
    case CODE.notadb:
      return new BldError('E_STORE', `the store's index is damaged: ${text}`, {
        hint: REPAIR_HINT,
        cause: error,
      });
    case CODE.full:
      return diskFull(dirname(path), 'writing the store', undefined, error);
    case CODE.ioerr:
    case CODE.cantopen:
      // a full disk also shows as a shared memory file that cannot be made or extended
      if (isFull(dirname(path))) return diskFull(dirname(path), 'writing the store', undefined, error);
      return new BldError('E_STORE', `the store's index cannot be opened, read or written: ${text}`, {
        cause: error,
      });
    default:
      return error;
  }
}

/** One connection to `bld.db`: prepared statements by their text, transactions that nest by joining. */
export class Database implements Disposable {
  readonly #path: string;
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  #broken = false;
  #durable = false;
  #listed = false;
  #undo: (() => void)[] = [];

  constructor(path: string, options: { readonly readOnly?: boolean; readonly immutable?: boolean } = {}) {
    this.#path = path;
    const url = pathToFileURL(path);
    if (options.immutable) url.searchParams.set('immutable', '1');
    const settings = { readOnly: options.readOnly ?? false, timeout: BUSY_TIMEOUT };
    this.#connection = this.#guard(() => new DatabaseSync(url, settings));
    // NORMAL never damages the index, a power cut may only undo the last transactions: what must not be undone asks
    // for it (`durable`). Temporary tables stay out of TMPDIR.
    try {
      this.exec(
        `PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`,
      );
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  get open(): boolean {
    return this.#connection.isOpen;
  }

  get inTransaction(): boolean {
    return this.#depth > 0;
  }

  exec(sql: string): void {
    this.#guard(() => this.#connection.exec(sql));
  }

  /** The first row, whose columns the caller names in `Row`. */
  get<Row>(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(...values)) as Row | undefined;
  }

  all<Row>(sql: string, ...values: readonly SQLInputValue[]): Row[] {
    return this.#guard(() => this.#statement(sql).all(...values)) as Row[];
  }

  /** Rows changed. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#guard(() => this.#statement(sql).run(...values)).changes);
  }

  /**
   * BEGIN IMMEDIATE … COMMIT, or part of the one that is open. With `durable` (of any part) a power cut after the
   * return cannot undo it. An error anywhere inside undoes the whole.
   */
  transaction<T>(work: () => T, options: { readonly durable?: boolean } = {}): T {
    if (options.durable) this.#durable = true;
    if (this.#depth > 0) return this.#part(work);
    try {
      this.exec('BEGIN IMMEDIATE');
      const result = this.#part(work);
      if (this.#broken) throw new Error('internal: a part of the transaction failed, and the whole went on');
      this.exec('COMMIT');
      if (this.#durable) this.#flush();
      return result;
    } catch (error) {
      if (this.#connection.isTransaction) this.exec('ROLLBACK');
      this.#takeBack();
      throw error;
    } finally {
      this.#undo = [];
      this.#broken = false;
      this.#durable = false;
    }
  }

  /**
   * Takes back what the open transaction did outside of the index (a rename), should it fail; latest first. By then
   * others may have recorded the same thing: `undo` looks at the index, which nobody writes to meanwhile.
   */
  onRollback(undo: () => void): void {
    this.#undo.push(undo);
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.#connection.isOpen) this.#guard(() => this.#connection.close());
  }

  #takeBack(): void {
    if (this.#undo.length === 0) return;
    this.exec('BEGIN IMMEDIATE');
    try {
      for (const undo of this.#undo.reverse()) undo();
    } finally {
      this.exec('ROLLBACK');
    }
  }

  #part<T>(work: () => T): T {
    this.#depth++;
    try {
      return work();
    } catch (error) {
      this.#broken = true;
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** What `synchronous = FULL` does after a commit, which cannot be switched on inside a transaction. */
  #flush(): void {
    this.#undo = []; // committed: a failed sync is an error, yet nothing to take back
    try {
      const fd = openSync(`${this.#path}-wal`, 'r');
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      // No log: the index was written through, and SQLite synced it.
      if (!isErrno(error, 'ENOENT')) throw explain(error, `syncing ${this.#path}`);
    }
    if (!this.#listed) syncDirectory(dirname(this.#path));
    this.#listed = true;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw translated(error, this.#path);
    }
  }
}
