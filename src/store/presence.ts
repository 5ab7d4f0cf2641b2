import { closeSync, fstatSync, openSync, readdirSync, rmSync } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { randomHex } from '../base/random.ts';
import { sys } from '../native/sys.ts';
import { withBallast } from './ballast.ts';
import type { Database } from './database.ts';
import { explainAt } from './disk.ts';
import { layout, makeDirectory } from './layout.ts';
import { removeTree } from './trees.ts';

/**
 * A process that writes is present in the store by a file `leases/<uuid>` that it holds by flock, a row in
 * `processes`, and its own staging directory `tmp/<uuid>`. The kernel drops the lock when the process ends by any
 * means, also in another pid namespace that shares the volume: no pid can be mistaken, no clock or reboot matters.
 */
export interface Presence {
  /** The process's uuid; the first call makes it present and clears what dead processes left. */
  id(): string;
  /** True when the process `who` was dead; what it left is cleared then. */
  clearIfDead(who: string): boolean;
  /** Clears what all dead processes left. */
  clearDead(): void;
  end(): void;
}

export interface PresenceOptions {
  readonly root: string;
  readonly db: Database;
  readonly readOnly: boolean;
  /** Called before the files of a dead process go; false keeps its row, so that the next process tries again. */
  readonly rescue: (who: string) => boolean;
}

interface Held {
  readonly id: string;
  readonly fd: number;
}

function appear(root: string): Held {
  for (;;) {
    const id = randomHex(16);
    const fd = openSync(layout.presence(root, id), 'wx', 0o600);
    // Between open and lock it looks like a dead process's file: one that clears may hold or have removed it.
    if (sys().tryLock(fd, 'exclusive') && fstatSync(fd).nlink > 0) return { id, fd };
    closeSync(fd);
  }
}

/** Takes the lock of a dead process: its descriptor; undefined when there is no file; null when it is alive. */
function takeLock(path: string): number | undefined | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (sys().tryLock(fd, 'exclusive')) return fd;
  closeSync(fd);
  return null;
}

export function makePresence({ root, db, readOnly, rescue }: PresenceOptions): Presence {
  let held: Held | undefined;

  /** What cannot be removed now (a mount lies in it, the disk fails) stays for the next one, and stops nobody. */
  const clear = (who: string) => {
    const rescued = rescue(who);
    db.run('DELETE FROM leases WHERE process = ?', who); // at once: others may be waiting
    try {
      removeTree(layout.staging(root, who));
    } catch (error) {
      log.warn(`${layout.staging(root, who)} could not be removed: ${String(error)}`);
      return;
    }
    if (!rescued) return;
    db.run('DELETE FROM processes WHERE id = ?', who);
    rmSync(layout.presence(root, who), { force: true });
  };

  const clearIfDead = (who: string): boolean => {
    if (who === held?.id) return false;
    const path = layout.presence(root, who);
    const fd = takeLock(path);
    if (fd === null) return false;
    try {
      clear(who);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
    return true;
  };

  const clearDead = () => {
    const rows = db.all<{ id: string }>('SELECT id FROM processes').map(({ id }) => id);
    // a process may have died between making its file and its row
    for (const id of new Set([...rows, ...readdirSync(layout.leases(root))])) clearIfDead(id);
  };

  const register = (): Held => {
    if (readOnly) throw new BldError('E_PERMISSION', `the store ${root} is read-only`);
    try {
      clearDead();
      const own = appear(root);
      held = own;
      db.run('INSERT INTO processes VALUES (?, ?)', own.id, process.pid);
      makeDirectory(layout.staging(root, own.id));
      return own;
    } catch (error) {
      end();
      throw explainAt(root, error, 'preparing the store');
    }
  };

  const end = () => {
    if (!held) return;
    const { id, fd } = held;
    held = undefined;
    try {
      withBallast(root, () => clear(id));
    } catch (error) {
      log.debug(`${root}: left to the next process: ${String(error)}`); // a full disk; with the lock all rights end
    } finally {
      closeSync(fd);
    }
  };

  return { id: () => (held ?? withBallast(root, register)).id, clearIfDead, clearDead, end };
}
