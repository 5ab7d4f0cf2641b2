import { closeSync, lstatSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { Digest } from '../base/digest.ts';
import type { Context } from './context.ts';
import { explainAt } from './disk.ts';
import { layout } from './layout.ts';
import { makePins } from './pins.ts';

/** Presence and appearance of blobs: a row and a file of the row's size. */
export interface BlobFiles {
  size(digest: Digest): number | null;
  /** True when it is there and stays as long as this process. */
  pin(digest: Digest): boolean;
  /** Makes a file of verified bytes the blob, by rename inside the transaction that records it. */
  adopt(path: string, digest: Digest, size: number): void;
  /** A small document, written and adopted. */
  write(bytes: Uint8Array, digest: Digest): void;
}

export function makeBlobFiles(context: Context): BlobFiles {
  const { root, db, staging, durability, presence } = context;
  const pins = makePins(context);

  /** A file that is missing or cut short counts as absent, so that the next pull mends it. */
  const size = (digest: Digest): number | null => {
    const row = db.get<{ size: number }>('SELECT size FROM blobs WHERE digest = ?', digest);
    if (!row) return null;
    const stats = lstatSync(layout.blob(root, digest), { throwIfNoEntry: false });
    return stats?.isFile() && stats.size === row.size ? row.size : null;
  };

  const adopt = (path: string, digest: Digest, bytes: number) => {
    presence.id();
    db.transaction(() => {
      pins.pin(`blob:${digest}`);
      if (size(digest) !== null) {
        rmSync(path);
        return;
      }
      const target = layout.blob(root, digest);
      renameSync(path, target);
      db.onRollback(() => {
        if (size(digest) === null) rmSync(target, { force: true });
      });
      db.run('INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)', digest, bytes, Date.now());
      durability.note(`blob:${digest}`);
    });
  };

  return {
    size,
    adopt,
    pin: (digest) => pins.pinIf(`blob:${digest}`, () => size(digest) !== null),
    write(bytes, digest) {
      const { path, fd } = staging.file();
      try {
        try {
          for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        } finally {
          closeSync(fd);
        }
        adopt(path, digest, bytes.length);
      } catch (error) {
        rmSync(path, { force: true });
        throw explainAt(root, error, 'writing to the store', bytes.length);
      }
    },
  };
}
