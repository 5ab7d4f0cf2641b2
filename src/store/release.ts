import type { Database } from './database.ts';

/*
 * What somebody let go of on purpose is not waited for: the next `collect` takes it, if nothing else needs it, without
 * the grace that young things have otherwise.
 */

const AT_ONCE = 0; // ms since 1970: older than any grace

function releaseLayers(db: Database, diffIds: string, value: string): void {
  db.run(`UPDATE layers SET created = ${AT_ONCE} WHERE diff_id IN (${diffIds})`, value);
  const blobs = `SELECT digest FROM layer_blobs WHERE diff_id IN (${diffIds})`;
  db.run(`UPDATE blobs SET created = ${AT_ONCE} WHERE digest IN (${blobs})`, value);
}

/** Releases all that the image stands on; in the transaction that removes it, before its row goes. */
export function releaseImage(db: Database, id: string): void {
  const documents = `SELECT ?1 UNION SELECT manifest_digest FROM images WHERE id = ?1
    UNION SELECT blob_digest FROM image_layers WHERE image = ?1`;
  db.run(`UPDATE blobs SET created = ${AT_ONCE} WHERE digest IN (${documents})`, id);
  releaseLayers(db, 'SELECT diff_id FROM image_layers WHERE image = ?1', id);
}

/** Releases the layers that the container stands on; in the transaction that removes it, before its row goes. */
export function releaseContainer(db: Database, id: string): void {
  releaseLayers(
    db,
    'SELECT value FROM containers, json_each(containers.layers) WHERE containers.id = ?1',
    id,
  );
}

/** Releases the step's layer; in the transaction that forgets the step, before its row goes. */
export function releaseStep(db: Database, key: string): void {
  releaseLayers(db, 'SELECT diff_id FROM steps WHERE key = ?1 AND diff_id IS NOT NULL', key);
}
