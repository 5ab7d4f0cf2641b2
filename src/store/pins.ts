import type { Context } from './context.ts';
import type { Key } from './durability.ts';

/**
 * `taken:<id>`: the process has a container's upper directory in hands (see uppers.ts); `transient:<id>`: the container
 * is to go with the process (see transient.ts).
 */
export type PinKey = Key | `taken:${string}` | `transient:${string}`;

/** What this process relies on until it ends: `collect`, by whatever process, keeps it. */
export interface Pins {
  /** Pins the key if `exists`, both in one transaction: true means that it is there and stays. */
  pinIf(key: PinKey, exists: () => boolean): boolean;
  /** Pins what the open transaction makes visible. */
  pin(key: PinKey): void;
}

export function makePins({ db, presence, readOnly }: Pick<Context, 'db' | 'presence' | 'readOnly'>): Pins {
  const insert = (key: PinKey) => db.run('INSERT OR IGNORE INTO pins VALUES (?, ?)', presence.id(), key);
  const pinned = new Set<PinKey>();
  return {
    pinIf(key, exists) {
      // On a read-only store nobody can remove anything.
      if (readOnly || pinned.has(key)) return exists();
      presence.id();
      const done = db.transaction(() => {
        if (!exists()) return false;
        insert(key);
        return true;
      });
      if (done && !db.inTransaction) pinned.add(key);
      return done;
    },
    pin: insert,
  };
}
