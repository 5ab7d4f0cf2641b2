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
  readonly names: string;
}

// one statement: a name that moves meanwhile is seen with all that goes with it
const SELECT = `SELECT digest, media_type, (
    SELECT json_group_array(name) FROM (SELECT name FROM names WHERE index_digest = digest ORDER BY id)
  ) AS names FROM indexes`;

function recordOf({ digest, media_type: mediaType, names }: IndexRow): IndexRecord {
  return { digest: parseDigest(digest), mediaType, names: JSON.parse(names) as string[] };
}

export function readIndexes(db: Database): IndexRecord[] {
  return db.all<IndexRow>(`${SELECT} ORDER BY digest`).map(recordOf);
}

export function readIndex(db: Database, digest: string): IndexRecord | null {
  const row = db.get<IndexRow>(`${SELECT} WHERE digest = ?`, digest);
  return row ? recordOf(row) : null;
}

/** The part of `Images` that keeps manifest lists. */
export function makeIndexes({ db, durability }: Context, files: BlobFiles, records: Records): Indexes {
  return {
    findIndex(nameOrDigest) {
      const digest = nameOrDigest.slice(nameOrDigest.lastIndexOf('@') + 1);
      if (isDigest(digest)) return readIndex(db, digest);
      const sql = `${SELECT} WHERE digest = (SELECT index_digest FROM names WHERE name = ?)`;
      const row = db.get<IndexRow>(sql, nameOrDigest);
      return row ? recordOf(row) : null;
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
        const record = readIndex(db, digest);
        if (!record) throw new Error('internal: a row that was just written is not there');
        return record;
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
