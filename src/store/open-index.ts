import { accessSync, constants, existsSync } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import { withBallast } from './ballast.ts';
import { createIndex } from './create-index.ts';
import { Database, REPAIR_HINT } from './database.ts';
import { checkKind } from './kind.ts';
import { checkRoot, layout, prepareRoot } from './layout.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './schema.ts';
import type { StoreKind } from './types.ts';

export interface OpenedIndex {
  readonly db: Database;
  readonly kind: StoreKind;
  readonly readOnly: boolean;
  /** The boot that the index was last written in. */
  readonly boot: string;
}

function isWritable(root: string): boolean {
  try {
    accessSync(root, constants.W_OK);
    return true;
  } catch (error) {
    if (isErrno(error, 'EROFS', 'EACCES')) return false;
    throw error;
  }
}

/**
 * A store on a read-only file system. SQLite needs the shared memory file beside a log; where a clean shutdown left
 * neither, nobody can write either, and `immutable` is the truth.
 */
function openReadOnly(path: string): Database {
  let plain: Database | undefined;
  try {
    plain = new Database(path, { readOnly: true });
    plain.get('SELECT 1 FROM meta');
    return plain;
  } catch {
    plain?.[Symbol.dispose]();
    return new Database(path, { readOnly: true, immutable: true });
  }
}

function versionOf(db: Database): number {
  return db.get<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0;
}

/** Brings an index that an older bld made to this one's layout. */
function migrate(db: Database): void {
  db.transaction(
    () => {
      for (let version = versionOf(db); MIGRATIONS[version] !== undefined; version++) {
        db.exec(MIGRATIONS[version] ?? '');
        db.exec(`PRAGMA user_version = ${version + 1}`);
      }
    },
    { durable: true },
  );
}

function readMeta(db: Database, path: string): { kind: StoreKind; boot: string } {
  const version = versionOf(db);
  if (version === 0) {
    throw new BldError('E_STORE', `the store's index is damaged: ${path} is empty`, { hint: REPAIR_HINT });
  }
  if (version > SCHEMA_VERSION) {
    throw new BldError('E_STORE', `${path} was made by a newer bld (format ${version})`, {
      hint: 'use that bld, or another place with --root',
    });
  }
  const rows = db.all<{ key: string; value: string }>('SELECT key, value FROM meta');
  const meta = new Map(rows.map(({ key, value }) => [key, value]));
  const kind: StoreKind = {
    xattrs: meta.get('xattrs') === 'trusted' ? 'trusted' : 'user',
    owners: meta.get('owners') === 'xattr' ? 'xattr' : 'real',
  };
  return { kind, boot: meta.get('boot') ?? '' };
}

function olderReadOnly(path: string): BldError {
  return new BldError('E_STORE', `${path} was made by an older bld and cannot be changed here`, {
    hint: 'use the store once where it can be written to',
  });
}

/** Opens the store's index, and makes the store when there is none. `boot`: the id of this start of the machine. */
export function openIndex(root: string, needed: StoreKind, boot: string): OpenedIndex {
  const path = layout.index(root);
  if (!checkRoot(root) || !existsSync(path)) {
    prepareRoot(root);
    createIndex(root, { kind: needed, boot });
  }
  const readOnly = !isWritable(root);
  return withBallast(root, () => {
    const db = readOnly ? openReadOnly(path) : new Database(path);
    try {
      const meta = readMeta(db, path);
      checkKind(meta.kind, needed);
      if (versionOf(db) < SCHEMA_VERSION) {
        if (readOnly) throw olderReadOnly(path);
        migrate(db);
      }
      return { db, readOnly, ...meta };
    } catch (error) {
      db[Symbol.dispose]();
      throw error;
    }
  });
}
