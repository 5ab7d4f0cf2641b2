import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseDigest } from '../base/digest.ts';
import { explain } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { sys } from '../native/sys.ts';
import type { Database } from './database.ts';
import { layout } from './layout.ts';

/** `blob:`, `layer:`, `step:` or `container:` and the thing's name. */
export type Key = `${'blob' | 'layer' | 'step' | 'container'}:${string}`;

/** So many files are synced one by one; beyond, or with a directory tree among them, the file system as a whole. */
const SINGLE_FILES = 32;

/**
 * When bytes are known to be on disk.
 *
 * Bytes become visible by rename without a sync of their own: a build with forty steps would pay for forty. Instead
 * each new thing is noted in `pending`, and the sync of a later durable result clears the notes of all it needs, in
 * the very transaction that records the result. So after a power cut the index can speak of a torn thing only where a
 * note says so, and the first to open the store after the reboot drops those.
 */
export interface Durability {
  /** Notes that the key's bytes are not on disk for sure; part of the transaction that makes it visible. */
  note(key: Key): void;
  /** Syncs what `needs` names, then runs `work` in one durable transaction in which nothing of it is pending. */
  durably<T>(needs: readonly Key[], work: () => T): T;
  /** True when the bytes of one of these are not known to be on disk. */
  isPending(needs: readonly Key[]): boolean;
  /** Syncs the file system, and clears all notes made before. */
  barrier(): void;
  close(): void;
}

interface Note {
  readonly id: number;
  readonly key: Key;
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export function makeDurability(root: string, db: Database): Durability {
  // Open before anything is written: the kernel reports an error of writing back to who was there when it happened.
  const fd = openSync(root, 'r');

  const notesOf = (needs: readonly Key[]): Note[] =>
    needs.flatMap((key) => db.get<Note>('SELECT id, key FROM pending WHERE key = ?', key) ?? []);

  const lastNote = (): number => db.get<{ id: number }>('SELECT max(id) AS id FROM pending')?.id ?? 0;

  /** Syncs at least what `notes` name; a function that clears the notes that this covers. */
  const sync = (notes: readonly Note[] | 'all'): (() => void) => {
    const files =
      notes !== 'all' && notes.length <= SINGLE_FILES && notes.every(({ key }) => key.startsWith('blob:'));
    try {
      if (files) {
        const paths = notes.map(({ key }) => layout.blob(root, parseDigest(key.slice('blob:'.length))));
        for (const path of new Set([...paths, ...paths.map(dirname)])) syncFile(path);
        return () => {
          for (const { id } of notes) db.run('DELETE FROM pending WHERE id = ?', id);
        };
      }
      const mark = lastNote(); // what others make visible from now on is not covered
      sys().syncfs(fd);
      return () => db.run('DELETE FROM pending WHERE id <= ?', mark);
    } catch (error) {
      throw explain(error, `syncing ${root}`); // the bytes may be lost: no success
    }
  };

  const refuseInside = () => {
    if (db.inTransaction) throw new Error('internal: a sync inside a transaction');
  };

  return {
    note(key) {
      db.run('INSERT OR REPLACE INTO pending (key) VALUES (?)', key);
    },

    isPending: (needs) => notesOf(needs).length > 0,

    durably(needs, work) {
      refuseInside();
      for (;;) {
        const clear = sync(notesOf(needs));
        const done = db.transaction(
          () => {
            clear();
            return notesOf(needs).length > 0 ? undefined : { result: work() };
          },
          { durable: true },
        );
        if (done) return done.result;
      }
    },

    barrier() {
      refuseInside();
      db.transaction(sync('all'), { durable: true });
    },

    close: () => closeSync(fd),
  };
}

/**
 * After a reboot: drops what was never synced; the records that stay speak only of bytes that are on disk. Containers
 * are a person's work in progress: they stay, with the layers that cannot be made again, and the person is told.
 */
export function forgetTorn(db: Database, boot: string): void {
  const suspects = db.transaction(() => {
    const known = db.get<{ value: string }>("SELECT value FROM meta WHERE key = 'boot'");
    if (known?.value === boot) return []; // another process was faster
    db.run("DELETE FROM blobs WHERE digest IN (SELECT substr(key, 6) FROM pending WHERE key LIKE 'blob:%')");
    db.run(`DELETE FROM layers WHERE diff_id IN (SELECT substr(key, 7) FROM pending WHERE key LIKE 'layer:%') AND (
      diff_id IN (SELECT diff_id FROM layer_blobs JOIN blobs USING (digest))
      OR diff_id NOT IN (SELECT value FROM containers, json_each(containers.layers)))`);
    db.run("DELETE FROM steps WHERE key IN (SELECT substr(key, 6) FROM pending WHERE key LIKE 'step:%')");
    const sql = "SELECT name FROM containers WHERE 'container:' || id IN (SELECT key FROM pending)";
    const containers = db.all<{ name: string }>(sql);
    db.run('DELETE FROM pending');
    // device numbers may be others', and bytes that were read in memory alone may be gone
    db.run('DELETE FROM file_digests');
    db.run("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", boot);
    return containers;
  });
  for (const { name } of suspects) {
    log.warn(
      `container ${name} was in work when the machine went down: if that was a power cut, look at its files`,
    );
  }
}
