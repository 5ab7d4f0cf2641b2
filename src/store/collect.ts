import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf } from '../base/digest.ts';
import { loadBallast, withBallast } from './ballast.ts';
import type { Context } from './context.ts';
import { layersInMaking } from './frozen.ts';
import { dropPartials } from './ingest.ts';
import { layout } from './layout.ts';
import type { Collected, Leases } from './types.ts';

/** What nobody refers to yet may be a part of something that is being made, or worth a second try: it stays this long. */
const GRACE = 10 * 60 * 1000; // ms
/** Files moved away in one transaction. */
const BATCH = 64;

/** Layers that something stands on; a process's pin counts as long as it lives. */
const LIVE_LAYERS = `
  SELECT diff_id FROM image_layers
  UNION SELECT diff_id FROM steps WHERE diff_id IS NOT NULL
  UNION SELECT value FROM containers, json_each(containers.layers)
  UNION SELECT substr(key, 7) FROM pins WHERE key LIKE 'layer:%'
  UNION SELECT substr(key, 7) FROM leases WHERE key LIKE 'layer:%'`;

const LIVE_BLOBS = `
  SELECT id FROM images
  UNION SELECT manifest_digest FROM images WHERE manifest_digest IS NOT NULL
  UNION SELECT blob_digest FROM image_layers WHERE blob_digest IS NOT NULL
  UNION SELECT digest FROM indexes
  UNION SELECT digest FROM layer_blobs WHERE diff_id IN (${LIVE_LAYERS})
  UNION SELECT substr(key, 6) FROM pins WHERE key LIKE 'blob:%'
  UNION SELECT substr(key, 6) FROM leases WHERE key LIKE 'blob:%'`;

interface Sized {
  readonly size: number;
}

function total(rows: readonly Sized[]): number {
  return rows.reduce((sum, { size }) => sum + size, 0);
}

/**
 * Mark, then sweep. First the records of what nobody needs go, in one transaction; from then on nobody can begin to
 * rely on it (see pins.ts). Then files without a record go. A file and its record appear in one transaction, so a file
 * without one is never on its way in: it was left by a killed process, or by the marking just done.
 */
export function collect(context: Context, leases: Leases, grace = GRACE): Collected {
  const { root, db, presence, staging } = context;
  presence.id();
  presence.clearDead();
  const mark = () =>
    db.transaction(() => {
      const now = Date.now();
      const old = 'abs(?1 - created) >= ?2'; // a clock that was set back makes nothing older
      db.run(`DELETE FROM steps WHERE diff_id IS NOT NULL AND diff_id NOT IN (SELECT diff_id FROM layers)
      AND diff_id NOT IN (SELECT diff_id FROM layer_blobs JOIN blobs USING (digest))`);
      const layers = db.all<Sized>(
        `DELETE FROM layers WHERE ${old} AND diff_id NOT IN (${LIVE_LAYERS}) RETURNING size`,
        ...[now, grace],
      );
      const blobs = db.all<Sized>(
        `DELETE FROM blobs WHERE ${old} AND digest NOT IN (${LIVE_BLOBS}) RETURNING size`,
        ...[now, grace],
      );
      for (const table of ['layer_blobs', 'origins', 'proofs']) {
        db.run(`DELETE FROM ${table} WHERE digest NOT IN (SELECT digest FROM blobs)`);
      }
      return { layers, blobs };
    });
  const marked = withBallast(root, mark);

  const { sha256, sha512 } = { sha256: layout.blobs(root, 'sha256'), sha512: layout.blobs(root, 'sha512') };
  sweep(context, sha256, 'SELECT substr(digest, 8) AS name FROM blobs');
  sweep(context, sha512, 'SELECT substr(digest, 8) AS name FROM blobs');
  sweep(context, layout.layers(root), 'SELECT substr(diff_id, 8) AS name FROM layers', () =>
    [...layersInMaking(root)].map(hexOf),
  );
  sweep(context, layout.containers(root), 'SELECT id AS name FROM containers');
  const records =
    "SELECT substr(id, 8) || '.json' AS name FROM images UNION SELECT substr(digest, 8) || '.json' FROM indexes";
  sweep(context, layout.records(root), records);
  sweepStaging(context);
  staging.empty();
  const partial = dropPartials(context, leases, grace);
  loadBallast(root);
  return {
    blobs: marked.blobs.length,
    layers: marked.layers.length,
    bytes: total(marked.blobs) + total(marked.layers) + partial,
  };
}

/** Removes what lies in `directory` under a name that neither `sql` nor `spared` gives. */
function sweep(
  { db, staging }: Context,
  directory: string,
  sql: string,
  spared: () => string[] = () => [],
): void {
  const known = () => new Set([...db.all<{ name: string }>(sql).map(({ name }) => name), ...spared()]);
  const before = known();
  const strays = readdirSync(directory).filter((name) => !before.has(name));
  for (let at = 0; at < strays.length; at += BATCH) {
    db.transaction(() => {
      const now = known();
      for (const name of strays.slice(at, at + BATCH)) {
        if (!now.has(name)) staging.discard(join(directory, name));
      }
    });
    staging.empty();
  }
}

/** Removes presence files and staging directories of processes that died before the index knew them. */
function sweepStaging({ root, db, presence, staging }: Context): void {
  const known = () => new Set(db.all<{ id: string }>('SELECT id FROM processes').map(({ id }) => id));
  const listed = known();
  for (const who of readdirSync(layout.leases(root))) {
    if (!listed.has(who)) presence.clearIfDead(who);
  }
  for (const name of readdirSync(layout.tmp(root))) {
    if (name === 'partial' || listed.has(name)) continue;
    const present = lstatSync(layout.presence(root, name), { throwIfNoEntry: false }) !== undefined;
    if (!present && !known().has(name)) staging.discard(join(layout.tmp(root), name));
  }
}
