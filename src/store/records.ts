import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Digest, hexOf } from '../base/digest.ts';
import type { Database } from './database.ts';
import { explainAt } from './disk.ts';
import { readImage } from './image-rows.ts';
import { readIndex } from './indexes.ts';
import { layout } from './layout.ts';

/**
 * A copy of what the index alone knows (names, layers, containers), one small file a thing, so that a lost index can
 * be rebuilt. Written inside the transaction that changes the thing: so the last writer is the last in both.
 */
export interface Records {
  /** Brings the files of these images and manifest lists up to date with the open transaction. */
  refresh(digests: readonly Digest[]): void;
}

/** Writes by a temporary name. Not synced: the next barrier does, and nothing reads it but a repair. */
export function writeRecord(path: string, value: unknown): void {
  const draft = `${path}.new`;
  try {
    writeFileSync(draft, JSON.stringify(value), { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw explainAt(dirname(path), error, 'writing to the store');
  }
}

export function makeRecords(root: string, db: Database): Records {
  return {
    refresh(digests) {
      for (const digest of new Set(digests)) {
        const path = join(layout.records(root), `${hexOf(digest)}.json`);
        const image = readImage(db, digest);
        const index = image ? null : readIndex(db, digest);
        if (image) writeRecord(path, { image });
        else if (index) writeRecord(path, { index });
        else rmSync(path, { force: true });
      }
    },
  };
}
