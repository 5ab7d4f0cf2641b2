import { type Digest, parseDigest } from '../base/digest.ts';
import type { Stat } from '../native/sys.ts';
import type { Context } from './context.ts';

/** Content digests of files outside of the store, so that what has not changed need not be read again. */
export interface FileDigests {
  /** The digest of the file that looks so, where it was kept. */
  get(stat: Stat): Digest | null;
  /**
   * Keeps what a file had for bytes that looked like `stat` before and after they were read. Not kept of a file that was
   * changed just before: another change might leave the same times (git's "racy" entries).
   */
  note(stat: Stat, digest: Digest): void;
}

/** The coarsest clock of a file system that holds sources: FAT's two seconds. */
const RACY = 2_000_000_000n; // ns

/** Rows kept, the newest. */
const KEPT = 10_000;

/** All that changes with the bytes. The ctime is nobody's to set: no rewritten mtime hides a change. */
function looksOf({ dev, ino, size, mtime, ctime }: Stat): string {
  return [dev, ino, size, mtime, ctime].join(':');
}

export function makeFileDigests({ db, presence, readOnly }: Context): FileDigests {
  return {
    get(stat) {
      const sql = 'SELECT digest FROM file_digests WHERE looks = ?';
      const row = db.get<{ readonly digest: string }>(sql, looksOf(stat));
      return row ? parseDigest(row.digest) : null;
    },

    note(stat, digest) {
      const now = BigInt(Date.now()) * 1_000_000n;
      if (readOnly || now - stat.ctime < RACY || now - stat.mtime < RACY) return;
      presence.id(); // not inside: it clears what dead processes left
      db.transaction(() => {
        db.run('INSERT OR REPLACE INTO file_digests (looks, digest) VALUES (?, ?)', looksOf(stat), digest);
        db.run('DELETE FROM file_digests WHERE id <= (SELECT max(id) FROM file_digests) - ?', KEPT);
      });
    },
  };
}
