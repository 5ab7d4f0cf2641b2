import { type Digest, parseDigest } from '../base/digest.ts';
import { withBallast } from './ballast.ts';
import type { Context } from './context.ts';
import { makePins } from './pins.ts';
import { releaseStep } from './release.ts';
import type { StepRecord, Steps } from './step-types.ts';
import type { LayerStore } from './types.ts';

interface StepRow {
  readonly key: string;
  readonly diff_id: string | null;
  readonly result: string;
  readonly inputs: string;
  readonly site: string;
  readonly created: number;
}

function recordOf(row: StepRow): StepRecord {
  return {
    key: parseDigest(row.key),
    diffId: row.diff_id === null ? null : parseDigest(row.diff_id),
    result: JSON.parse(row.result) as unknown,
    inputs: JSON.parse(row.inputs) as [string, string][],
    site: row.site,
    created: row.created,
  };
}

const COLUMNS = 'key, diff_id, result, inputs, site, created';

export function makeSteps(context: Context, layers: LayerStore): Steps {
  const { root, db, durability } = context;
  const pins = makePins(context);

  /** The layer's tree, or bytes to make it from. */
  const available = (diffId: Digest) => layers.path(diffId) !== null || layers.blobs(diffId).length > 0;

  return {
    get(key) {
      const row = db.get<StepRow>(`SELECT ${COLUMNS} FROM steps WHERE key = ?`, key);
      if (!row) return null;
      const step = recordOf(row);
      const { diffId } = step;
      if (diffId !== null && !pins.pinIf(`layer:${diffId}`, () => available(diffId))) return null;
      return step;
    },

    put({ key, diffId, result, inputs, site, created }) {
      const now = Date.now();
      db.transaction(() => {
        db.run(
          `INSERT OR REPLACE INTO steps (${COLUMNS}, used) VALUES (?, ?, ?, ?, ?, ?, ?)`,
          ...[key, diffId, JSON.stringify(result ?? null), JSON.stringify(inputs), site, created ?? now, now],
        );
        durability.note(`step:${key}`);
      });
    },

    touch: (key) => db.run('UPDATE steps SET used = ? WHERE key = ?', Date.now(), key),

    latest(site) {
      const row = db.get<StepRow>(
        `SELECT ${COLUMNS} FROM steps WHERE site = ? ORDER BY id DESC LIMIT 1`,
        site,
      );
      return row ? recordOf(row) : null;
    },

    list: () =>
      db
        .all<StepRow & { readonly used: number }>(`SELECT ${COLUMNS}, used FROM steps ORDER BY id DESC`)
        .map((row) => ({ ...recordOf(row), used: row.used })),

    remove(keys) {
      const drop = () => {
        for (const key of keys) {
          releaseStep(db, key);
          db.run('DELETE FROM steps WHERE key = ?', key);
        }
      };
      withBallast(root, () => db.transaction(drop));
    },
  };
}
