import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../base/errors.ts';
import { syncDirectory } from '../base/fs.ts';
import { randomHex } from '../base/random.ts';
import { sys } from '../native/sys.ts';
import { loadBallast } from './ballast.ts';
import { Database, REPAIR_HINT } from './database.ts';
import { layout } from './layout.ts';
import { writeRecord } from './records.ts';
import { SCHEMA, SCHEMA_VERSION } from './schema.ts';
import type { StoreKind } from './types.ts';

const PATIENCE = 60_000; // ms

/** Blocks this thread: the lock that is waited for is held for some milliseconds, once in a store's life. */
function waitForLock(fd: number, root: string): void {
  const end = Date.now() + PATIENCE;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (!sys().tryLock(fd, 'exclusive')) {
    if (Date.now() > end) {
      throw new BldError('E_STORE', `another process has been making the store ${root} for a minute`);
    }
    Atomics.wait(cell, 0, 0, 5);
  }
}

function write(path: string, entries: Readonly<Record<string, string>>, fill: (db: Database) => void): void {
  closeSync(openSync(path, 'wx', 0o600)); // its log and index take the mode over
  using db = new Database(path);
  db.exec('PRAGMA journal_mode = WAL');
  db.transaction(
    () => {
      db.exec(SCHEMA);
      for (const [key, value] of Object.entries(entries))
        db.run('INSERT INTO meta VALUES (?, ?)', key, value);
      fill(db);
      db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    },
    { durable: true },
  );
}

/** Content without an index is not a new store: an empty index would let the next `collect` throw it all away. */
function refuseContent(root: string): void {
  const found = [layout.blobs(root, 'sha256'), layout.records(root)].some(
    (path) => readdirSync(path).length > 0,
  );
  if (!found) return;
  throw new BldError('E_STORE', `the store's index ${layout.index(root)} is missing`, { hint: REPAIR_HINT });
}

export interface NewIndex {
  readonly kind: StoreKind;
  readonly boot: string;
  /** Writes what lies in the directory already (a repair); without it, content is an error. */
  readonly fill?: (db: Database) => void;
}

/**
 * Makes `bld.db` unless another process was faster. It is written whole beside its name and renamed there, so that
 * nobody ever meets half of one.
 */
export function createIndex(root: string, { kind, boot, fill }: NewIndex): void {
  const path = layout.index(root);
  const draft = join(layout.tmp(root), `${randomHex(16)}.db`);
  const lock = openSync(root, 'r');
  try {
    waitForLock(lock, root);
    if (existsSync(path)) return;
    if (!fill) refuseContent(root);
    write(draft, { ...kind, boot }, fill ?? (() => {}));
    // The log of a lost index: SQLite would replay it into the new one.
    for (const rest of ['-wal', '-shm']) rmSync(path + rest, { force: true });
    renameSync(draft, path);
    syncDirectory(root);
    writeRecord(layout.kind(root), kind);
    loadBallast(root);
  } finally {
    for (const rest of ['', '-wal', '-shm']) rmSync(draft + rest, { force: true });
    closeSync(lock);
  }
}
