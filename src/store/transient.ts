import { log } from '../base/log.ts';
import type { Context } from './context.ts';
import type { Database } from './database.ts';
import { layout } from './layout.ts';
import type { PinKey } from './pins.ts';
import { releaseContainer } from './release.ts';
import { removeTree } from './trees.ts';

/*
 * Containers that a process makes for itself alone, as a build does for its stages: a pin of the process names each, and
 * whoever clears what the process left, itself at its end or another after its death, takes them away.
 */

/** The pin by which a container belongs to its process. */
export function transientKey(id: string): PinKey {
  return `transient:${id}`;
}

/** Removes the containers of a process that ends. False when one must be tried again. */
export function dropTransient(root: string, db: Database, who: string): boolean {
  let done = true;
  const sql = `SELECT containers.id FROM containers JOIN pins ON pins.key = 'transient:' || containers.id
    WHERE pins.process = ?1
    AND NOT EXISTS (SELECT 1 FROM leases WHERE key = 'container:' || containers.id AND process != ?1)`;
  for (const { id } of db.all<{ id: string }>(sql, who)) {
    try {
      db.transaction(() => {
        releaseContainer(db, id);
        db.run('DELETE FROM containers WHERE id = ?', id);
      });
      removeTree(layout.container(root, id));
    } catch (error) {
      log.debug(`the container ${id} of a process that ended could not be removed yet: ${String(error)}`);
      done = false;
    }
  }
  return done;
}

/** Clears what dead processes left that had containers of their own, so that a list does not show these. */
export function clearOwners({ db, presence }: Pick<Context, 'db' | 'presence'>): void {
  const sql = "SELECT DISTINCT process FROM pins WHERE key LIKE 'transient:%'";
  for (const { process } of db.all<{ process: string }>(sql)) {
    try {
      presence.clearIfDead(process);
    } catch (error) {
      log.debug(`left to the next process: ${String(error)}`);
    }
  }
}
