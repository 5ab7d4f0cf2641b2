import { join } from 'node:path';
import { type Digest, parseDigest } from '../base/digest.ts';
import type { Database } from './database.ts';
import { layout } from './layout.ts';
import { writeRecord } from './records.ts';
import type { ContainerRecord } from './types.ts';

export interface ContainerRow {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly image_id: string | null;
  readonly image_name: string;
  readonly layers: string;
  readonly state: string;
}

/** The row as the record that it stands for. */
export function recordOf(row: ContainerRow): ContainerRecord {
  return {
    id: row.id,
    name: row.name,
    created: row.created,
    imageId: row.image_id === null ? null : parseDigest(row.image_id),
    imageName: row.image_name,
    layers: JSON.parse(row.layers) as Digest[],
    state: JSON.parse(row.state) as unknown,
  };
}

/** True for a container that goes with its process (see transient.ts). */
export function isTransient(db: Database, id: string): boolean {
  return db.get("SELECT 1 FROM pins WHERE key = 'transient:' || ?", id) !== undefined;
}

/** Inserts the container or replaces its row; one that is to outlive its process has a copy of it in a file. */
export function writeContainer(db: Database, root: string, container: ContainerRecord): void {
  const { id, name, created, imageId, imageName, layers, state } = container;
  db.run(
    'INSERT OR REPLACE INTO containers VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[id, name, created, imageId, imageName, JSON.stringify(layers), JSON.stringify(state ?? null)],
  );
  if (!isTransient(db, id)) writeRecord(join(layout.container(root, id), 'container.json'), container);
}

/** The container of exactly this id. */
export function readContainer(db: Database, id: string): ContainerRecord | null {
  const row = db.get<ContainerRow>('SELECT * FROM containers WHERE id = ?', id);
  return row ? recordOf(row) : null;
}
