import { setTimeout as sleep } from 'node:timers/promises';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { withBallast } from './ballast.ts';
import type { Context } from './context.ts';
import type { Leases } from './types.ts';

const FIRST_PAUSE = 5; // ms
const LONGEST_PAUSE = 100; // ms
/** How long a wait stays silent. */
const PATIENCE = 2_000; // ms

interface Rival {
  readonly process: string;
  readonly pid: number;
}

const NOTHING: Disposable = { [Symbol.dispose]() {} };

/** Milliseconds, monotonic; `performance` takes 5 ms to load. */
const uptime = () => process.uptime() * 1000;

export function makeLeases({ root, db, presence, readOnly }: Context): Leases {
  const release = (id: number): Disposable => ({
    [Symbol.dispose]() {
      if (!db.open) return;
      try {
        withBallast(root, () => db.run('DELETE FROM leases WHERE id = ?', id));
      } catch (error) {
        log.debug(`a lease stays until this process ends: ${String(error)}`); // the work itself was done
      }
    },
  });

  /** Who excludes whom is decided inside one transaction; whether a rival still lives, by his lock. */
  const attempt = (key: string, how: 'shared' | 'exclusive'): Disposable | readonly Rival[] => {
    if (readOnly) {
      if (how === 'shared') return NOTHING; // nobody here can remove anything
      throw new BldError('E_PERMISSION', `the store ${root} is read-only`);
    }
    const process = presence.id();
    const exclusive = how === 'exclusive' ? 1 : 0;
    return db.transaction(() => {
      const rivals = db.all<Rival>(
        'SELECT process, pid FROM leases JOIN processes ON processes.id = process WHERE key = ? AND (exclusive OR ?)',
        key,
        exclusive,
      );
      if (rivals.length > 0) return rivals;
      const sql = 'INSERT INTO leases (process, key, exclusive) VALUES (?, ?, ?) RETURNING id';
      const row = db.get<{ id: number }>(sql, process, key, exclusive);
      return release(row?.id ?? 0);
    });
  };

  const tryOnce = (key: string, how: 'shared' | 'exclusive'): Disposable | readonly Rival[] => {
    for (;;) {
      const outcome = attempt(key, how);
      if (!Array.isArray(outcome)) return outcome;
      const cleared = outcome.filter(({ process }) => presence.clearIfDead(process));
      if (cleared.length === 0) return outcome;
    }
  };

  return {
    tryHold(key, how) {
      const outcome = tryOnce(key, how);
      return Symbol.dispose in outcome ? outcome : null;
    },

    async hold(key, how, { onWait, signal } = {}) {
      const tell = onWait ?? ((pid) => log.warn(`waiting for process ${pid}, which holds ${key}`));
      const started = uptime();
      let told = false;
      for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
        const outcome = tryOnce(key, how);
        if (Symbol.dispose in outcome) return outcome;
        const [rival] = outcome;
        if (!told && rival && uptime() - started > PATIENCE) {
          told = true;
          tell(rival.pid);
        }
        signal?.throwIfAborted();
        await sleep(pause);
      }
    },
  };
}
