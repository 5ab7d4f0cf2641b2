import { digestOf, isDigest, parseDigest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import type { BlobFiles } from './blob-files.ts';
import type { Context } from './context.ts';
import type { Database } from './database.ts';
import { moveNames } from './image-rows.ts';
import { checkImageName } from './names.ts';
import type { Records } from './records.ts';
import type { Images, IndexRecord } from './types.ts';

type Indexes = Pick<Images, 'findIndex' | 'listIndexes' | 'addIndex' | 'removeIndex'>;

interface IndexRow {
  readonly digest: string;
  readonly media_type: string;
}

function recordOf(db: Database, { digest, media_type: mediaType }: IndexRow): IndexRecord {
  const sql = 'SELECT name FROM names WHERE index_digest = ? ORDER BY id';
  const names = db.all<{ name: string }>(sql, digest).map(({ name }) => name);
  return { digest: parseDigest(digest), mediaType, names };
}

export function readIndexes(db: Database): IndexRecord[] {
  const rows = db.all<IndexRow>('SELECT digest, media_type FROM indexes ORDER BY digest');
  return rows.map((row) => recordOf(db, row));
}

export function readIndex(db: Database, digest: string): IndexRecord | null {
  const row = db.get<IndexRow>('SELECT digest, media_type FROM indexes WHERE digest = ?', digest);
  return row ? recordOf(db, row) : null;
}

/** The part of `Images` that keeps manifest lists. */
export function makeIndexes({ db, durability }: Context, files: BlobFiles, records: Records): Indexes {
  return {
    findIndex(nameOrDigest) {
      const digest = nameOrDigest.slice(nameOrDigest.lastIndexOf('@') + 1);
      if (isDigest(digest)) return readIndex(db, digest);
      const sql = 'SELECT digest, media_type FROM indexes JOIN names ON index_digest = digest WHERE name = ?';
      const row = db.get<IndexRow>(sql, nameOrDigest);
      return row ? recordOf(db, row) : null;
    },

    listIndexes: () => readIndexes(db),

    async addIndex(mediaType, bytes, names) {
      for (const name of names) checkImageName(name);
      const digest = digestOf(bytes);
      if (!files.pin(digest)) files.write(bytes, digest);
      return durability.durably([`blob:${digest}`], () => {
        if (files.size(digest) === null) throw new BldError('E_STORE', `${digest} was removed meanwhile`);
        db.run('INSERT OR IGNORE INTO indexes VALUES (?, ?)', digest, mediaType);
        records.refresh(moveNames(db, names, { index: digest }));
        return recordOf(db, { digest, media_type: mediaType });
      });
    },

    removeIndex(digest) {
      db.transaction(
        () => {
          if (db.run('DELETE FROM indexes WHERE digest = ?', digest) === 0) {
            throw new BldError('E_NOT_FOUND', `the manifest list ${digest} is not in the store`);
          }
          records.refresh([digest]);
        },
        { durable: true },
      );
    },
  };
}
