import type { Descriptor } from '../base/descriptor.ts';
import { type Digest, parseDigest } from '../base/digest.ts';
import type { Database } from './database.ts';
import type { ImageRecord, LayerRef } from './types.ts';

interface ImageRow {
  readonly id: string;
  readonly manifest: string | null;
  readonly created: number;
  readonly intermediate: number;
  readonly data: string;
}

interface LayerRow {
  readonly image: string;
  readonly diff_id: string;
  readonly size: number | null;
  readonly blob: string | null;
}

interface NameRow {
  readonly image: string;
  readonly name: string;
}

function layerOf(row: LayerRow): LayerRef {
  return {
    diffId: parseDigest(row.diff_id),
    ...(row.blob !== null && { blob: JSON.parse(row.blob) as Descriptor }),
    ...(row.size !== null && { size: row.size }),
  };
}

/** Image id → what `read` makes of its rows, in the rows' order. */
function grouped<Row extends { readonly image: string }, T>(rows: readonly Row[], read: (row: Row) => T) {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(row.image);
    if (group) group.push(read(row));
    else groups.set(row.image, [read(row)]);
  }
  return groups;
}

function assemble(
  db: Database,
  images: readonly ImageRow[],
  where: string,
  ...values: string[]
): ImageRecord[] {
  if (images.length === 0) return [];
  const layers = grouped(
    db.all<LayerRow>(
      `SELECT image, diff_id, size, blob FROM image_layers ${where} ORDER BY image, ordinal`,
      ...values,
    ),
    layerOf,
  );
  const names = grouped(
    db.all<NameRow>(
      `SELECT image, name FROM names ${where || 'WHERE image IS NOT NULL'} ORDER BY id`,
      ...values,
    ),
    (row) => row.name,
  );
  const past = grouped(
    db.all<NameRow>(`SELECT image, name FROM past_names ${where} ORDER BY id DESC`, ...values),
    (row) => row.name,
  );
  return images.map(({ id, manifest, created, intermediate, data }) => ({
    id: parseDigest(id),
    ...(manifest !== null && { manifest: JSON.parse(manifest) as Descriptor }),
    created,
    layers: layers.get(id) ?? [],
    names: names.get(id) ?? [],
    pastNames: past.get(id) ?? [],
    intermediate: intermediate === 1,
    data: JSON.parse(data) as Record<string, unknown>,
  }));
}

export function readImage(db: Database, id: string): ImageRecord | null {
  const rows = db.all<ImageRow>(
    'SELECT id, manifest, created, intermediate, data FROM images WHERE id = ?',
    id,
  );
  return assemble(db, rows, 'WHERE image = ?', id)[0] ?? null;
}

/** Newest first. */
export function readImages(db: Database): ImageRecord[] {
  const sql = 'SELECT id, manifest, created, intermediate, data FROM images ORDER BY created DESC, id';
  return assemble(db, db.all<ImageRow>(sql), '');
}

/** Replaces the image's layers, and records where each layer's bytes are. */
export function writeLayers(db: Database, id: Digest, layers: readonly LayerRef[]): void {
  db.run('DELETE FROM image_layers WHERE image = ?', id);
  for (const [ordinal, { diffId, blob, size }] of layers.entries()) {
    const text = blob ? JSON.stringify(blob) : null;
    db.run(
      'INSERT INTO image_layers VALUES (?, ?, ?, ?, ?, ?)',
      ...[id, ordinal, diffId, size ?? null, blob?.digest ?? null, text],
    );
    if (blob) db.run('INSERT OR REPLACE INTO layer_blobs VALUES (?, ?, ?)', diffId, blob.digest, text);
  }
}

/** Inserts or replaces the image's own row; its names stay. */
export function writeImage(db: Database, image: Omit<ImageRecord, 'layers' | 'names' | 'pastNames'>): void {
  const { id, manifest, created, intermediate, data } = image;
  db.run(
    `INSERT INTO images VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
       manifest_digest = excluded.manifest_digest, manifest = excluded.manifest, created = excluded.created,
       intermediate = excluded.intermediate, data = excluded.data`,
    ...[id, manifest?.digest ?? null, manifest ? JSON.stringify(manifest) : null],
    ...[created, intermediate ? 1 : 0, JSON.stringify(data)],
  );
}

/** Gives each name to the image or index; an image that loses one remembers it. Returns all whose names changed. */
export function moveNames(
  db: Database,
  names: readonly string[],
  target: { readonly image: Digest } | { readonly index: Digest },
): Digest[] {
  const image = 'image' in target ? target.image : null;
  const index = 'index' in target ? target.index : null;
  const changed = ['image' in target ? target.image : target.index];
  for (const name of names) {
    const owner = ownerOf(db, name);
    if (owner !== undefined && owner === image) continue;
    const loser = dropName(db, name);
    if (loser) changed.push(loser);
    db.run('INSERT INTO names (name, image, index_digest) VALUES (?, ?, ?)', name, image, index);
    if (image !== null) db.run('DELETE FROM past_names WHERE image = ? AND name = ?', image, name);
  }
  return changed;
}

/** The name stands for nothing any more. Returns the image or index that lost it, or undefined. */
export function dropName(db: Database, name: string): Digest | undefined {
  const owner = ownerOf(db, name);
  db.run(
    'INSERT OR REPLACE INTO past_names (image, name) SELECT image, name FROM names WHERE name = ? AND image IS NOT NULL',
    name,
  );
  db.run('DELETE FROM names WHERE name = ?', name);
  return owner;
}

function ownerOf(db: Database, name: string): Digest | undefined {
  const sql = 'SELECT ifnull(image, index_digest) AS digest FROM names WHERE name = ?';
  const row = db.get<{ digest: string }>(sql, name);
  return row && parseDigest(row.digest);
}
