import { lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../base/digest.ts';
import { isErrno } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { readContainer, writeContainer } from './container-rows.ts';
import type { Context } from './context.ts';
import type { Database } from './database.ts';
import { explainAt } from './disk.ts';
import { layout } from './layout.ts';
import { makePins } from './pins.ts';
import { writeRecord } from './records.ts';
import { existsDirectory, removeTree } from './trees.ts';
import type { ContainerRecord, LayerStore } from './types.ts';
import { putUpperBack, takeUpper } from './uppers.ts';

/** What becomes of a container's changes. */
export interface Frozen {
  readonly diffId: Digest;
  /** Bytes of the layer's tar. */
  readonly size: number;
  /** The container's state on top of the layer; asked with the state as it is by then. */
  readonly change: (state: unknown) => unknown;
}

/**
 * The intent, written before anything moves: the files leave the container by one rename and its row changes by one
 * transaction, and a machine may stop between the two. The inode of the upper directory tells whether it has moved.
 */
interface Intent {
  readonly diffId: Digest;
  readonly size: number;
  /** The container's layers, the new one last, and its state. */
  readonly layers: readonly Digest[];
  readonly state: unknown;
  readonly inode: number;
}

/** The container as it goes on on top of the layer. */
function onTop(before: ContainerRecord, { diffId, change }: Frozen): ContainerRecord {
  return { ...before, layers: [...before.layers, diffId], state: change(before.state) };
}

const intentPath = (root: string, id: string) => join(layout.container(root, id), 'frozen.json');

const upperInode = (root: string, id: string) => lstatSync(join(layout.container(root, id), 'upper')).ino;

/** Makes the container's changes the layer `diffId` and gives it an empty upper directory. All or nothing, also by kill. */
export function freezeUpper(context: Context, layers: LayerStore, id: string, frozen: Frozen): void {
  const { root, db, durability, presence } = context;
  presence.id();
  makePins(context).pin(`taken:${id}`);
  const { diffId, size } = frozen;
  const now = readContainer(db, id);
  if (!now) throw new Error(`internal: there is no container ${id}`);
  const { layers: stack, state } = onTop(now, frozen);
  const intent: Intent = { diffId, size, layers: stack, state, inode: upperInode(root, id) };
  try {
    writeRecord(intentPath(root, id), intent);
    const taken = takeUpper(root, id);
    try {
      db.transaction(() => {
        layers.publish(diffId, taken, size);
        const before = readContainer(db, id);
        if (before) writeContainer(db, root, onTop(before, frozen));
        durability.note(`container:${id}`);
      });
    } catch (error) {
      putUpperBack(root, id);
      throw error;
    }
    removeTree(taken); // a twin of the layer was there first
  } catch (error) {
    throw explainAt(root, error, `making a layer of the changes of container ${id}`);
  } finally {
    rmSync(intentPath(root, id), { force: true });
  }
}

function readIntent(root: string, id: string): Intent | null {
  try {
    return JSON.parse(readFileSync(intentPath(root, id), 'utf8')) as Intent;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Layers that containers' changes are just becoming: they may be in their place before the index knows them. */
export function layersInMaking(root: string): ReadonlySet<Digest> {
  const intents = readdirSync(layout.containers(root)).map((id) => readIntent(root, id));
  return new Set(intents.flatMap((intent) => (intent ? [intent.diffId] : [])));
}

/** For the container of a process that died: either its changes are back in place, or they are the layer. */
function rescueFrozen(root: string, db: Database, id: string): void {
  const intent = readIntent(root, id);
  const taken = join(layout.container(root, id), 'taken', 'diff');
  const moved = intent !== null && !existsDirectory(taken) && upperInode(root, id) !== intent.inode;
  if (moved && existsDirectory(join(layout.layer(root, intent.diffId), 'diff'))) {
    db.transaction(() => {
      const container = readContainer(db, id);
      db.run('INSERT OR IGNORE INTO layers VALUES (?, ?, ?)', intent.diffId, intent.size, Date.now());
      db.run('INSERT OR IGNORE INTO pending (key) VALUES (?)', `layer:${intent.diffId}`);
      if (container)
        writeContainer(db, root, { ...container, layers: intent.layers as Digest[], state: intent.state });
    });
  }
  putUpperBack(root, id);
  rmSync(intentPath(root, id), { force: true });
}

/**
 * Finishes or undoes what a process that ends was about to make of a container's changes. False when something of it
 * must be tried again.
 */
export function rescueUppers(root: string, db: Database, who: string): boolean {
  let done = true;
  const sql = "SELECT substr(key, 7) AS id FROM pins WHERE process = ? AND key LIKE 'taken:%'";
  for (const { id } of db.all<{ id: string }>(sql, who)) {
    try {
      if (existsDirectory(layout.container(root, id))) rescueFrozen(root, db, id);
    } catch (error) {
      log.warn(`the last changes of container ${id} could not be brought back yet: ${String(error)}`);
      done = false;
    }
  }
  return done;
}
