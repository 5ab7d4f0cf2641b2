import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import type { Context } from './context.ts';
import { explainAt } from './disk.ts';
import { layout, makeDirectory } from './layout.ts';
import { makePins } from './pins.ts';
import { existsDirectory } from './trees.ts';
import type { LayerStore, Leases } from './types.ts';

export function makeLayers(context: Context, leases: Leases): LayerStore {
  const { root, db, staging, durability, presence, readOnly } = context;
  const pins = makePins(context);
  const tree = (diffId: Digest) => join(layout.layer(root, diffId), 'diff');

  const path = (diffId: Digest): string | null => {
    if (!db.get('SELECT 1 FROM layers WHERE diff_id = ?', diffId)) return null;
    return existsDirectory(tree(diffId)) ? tree(diffId) : null;
  };

  const pinned = (diffId: Digest) => pins.pinIf(`layer:${diffId}`, () => path(diffId) !== null);

  const stage = () => {
    const directory = staging.directory();
    makeDirectory(join(directory, 'diff'), 0o755);
    return {
      directory,
      discard() {
        staging.discard(directory);
        staging.empty();
      },
    };
  };

  const publish = (diffId: Digest, directory: string, size: number): string => {
    presence.id();
    try {
      db.transaction(() => {
        pins.pin(`layer:${diffId}`);
        if (path(diffId) !== null) return staging.discard(directory); // a twin came first
        const target = layout.layer(root, diffId);
        staging.discard(target); // of an interrupted process: no record, so nobody uses it
        renameSync(directory, target);
        db.onRollback(() => {
          if (path(diffId) === null) renameSync(target, directory);
        });
        db.run('INSERT OR REPLACE INTO layers VALUES (?, ?, ?)', diffId, size, Date.now());
        durability.note(`layer:${diffId}`);
      });
    } catch (error) {
      throw explainAt(root, error, `storing the layer ${diffId}`);
    }
    if (!db.inTransaction) staging.empty();
    return tree(diffId);
  };

  return {
    path,
    size: (diffId) =>
      db.get<{ size: number }>('SELECT size FROM layers WHERE diff_id = ?', diffId)?.size ?? null,
    stage,
    publish,

    async ensure(diffId, make) {
      if (pinned(diffId)) return tree(diffId);
      using _lease = await leases.hold(`layer:${diffId}`, 'exclusive');
      if (pinned(diffId)) return tree(diffId); // the one that was waited for made it
      const staged = stage();
      try {
        const { size } = await make(staged.directory);
        return publish(diffId, staged.directory, size);
      } catch (error) {
        staged.discard();
        throw explainAt(root, error, `unpacking the layer ${diffId}`);
      }
    },

    blobs(diffId) {
      const sql = 'SELECT descriptor FROM layer_blobs JOIN blobs USING (digest) WHERE diff_id = ?';
      return db
        .all<{ descriptor: string }>(sql, diffId)
        .map((row) => JSON.parse(row.descriptor) as Descriptor);
    },

    prove(diffId, digest) {
      if (!readOnly) db.run('INSERT OR IGNORE INTO proofs VALUES (?, ?)', diffId, digest);
    },

    isProved: (diffId, digest) =>
      db.get('SELECT 1 FROM proofs WHERE diff_id = ? AND digest = ?', diffId, digest) !== undefined,

    addBlob(diffId, blob) {
      const sql = 'INSERT OR REPLACE INTO layer_blobs VALUES (?, ?, ?)';
      db.run(sql, diffId, blob.digest, JSON.stringify(blob));
    },
  };
}
