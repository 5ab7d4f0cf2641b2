import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../base/errors.ts';
import { randomHex } from '../base/random.ts';
import { withBallast } from './ballast.ts';
import { type ContainerRow, isTransient, readContainer, recordOf, writeContainer } from './container-rows.ts';
import type { Context } from './context.ts';
import { explainAt } from './disk.ts';
import { freezeUpper } from './frozen.ts';
import { layout } from './layout.ts';
import { checkContainerName, onlyOne, prefixRange } from './names.ts';
import { makePins } from './pins.ts';
import { releaseContainer } from './release.ts';
import { clearOwners, transientKey } from './transient.ts';
import { removeTree } from './trees.ts';
import type { ContainerRecord, Containers, LayerStore } from './types.ts';
import { makeUpper, putUpperBack, takeUpper } from './uppers.ts';

function nameTaken(name: string, id: string): BldError {
  return new BldError(
    'E_EXISTS',
    `the container name "${name}" is already in use by ${id}. You have to remove that container to be able to reuse that name: that name is already in use`,
  );
}

export function makeContainers(context: Context, allLayers: LayerStore): Containers {
  const { root, runroot, db, staging, durability, presence, readOnly } = context;
  const pins = makePins(context);

  const holderOf = (name: string) =>
    db.get<{ id: string }>('SELECT id FROM containers WHERE name = ?', name)?.id;

  /** `base`, or the first free of `base-1`, `base-2`, … */
  const freeName = (base: string, unique: boolean): string => {
    const holder = holderOf(base);
    if (holder === undefined) return base;
    if (!unique) throw nameTaken(base, holder);
    const rows = db.all<{ name: string }>('SELECT name FROM containers WHERE name GLOB ?', `${base}-*`);
    const taken = new Set(rows.map(({ name }) => name));
    let number = 1;
    while (taken.has(`${base}-${number}`)) number++;
    return `${base}-${number}`;
  };

  const byId = (id: string): ContainerRecord => {
    const record = readContainer(db, id);
    if (!record) throw new BldError('E_NOT_FOUND', `container not known: ${id}`);
    return record;
  };

  const write = (record: ContainerRecord): void => {
    writeContainer(db, root, record);
    if (!isTransient(db, record.id)) durability.note(`container:${record.id}`);
  };

  return {
    create(container, { base, unique, transient = false }) {
      checkContainerName(base);
      presence.id();
      const id = randomHex(32);
      try {
        return db.transaction(() => {
          const record = { ...container, id, name: freeName(base, unique), created: Date.now() };
          db.onRollback(() => removeTree(layout.container(root, id)));
          makeUpper(root, id);
          if (transient) pins.pin(transientKey(id));
          write(record);
          return record;
        });
      } catch (error) {
        throw explainAt(root, error, 'making the container');
      }
    },

    find(reference) {
      const exact = db.get<ContainerRow>('SELECT * FROM containers WHERE name = ?', reference);
      if (exact) return recordOf(exact);
      if (!/^[0-9a-f]{1,64}$/.test(reference)) return null;
      const range = prefixRange(reference);
      const rows = db.all<ContainerRow>(
        'SELECT * FROM containers WHERE id >= ? AND id < ? LIMIT 2',
        ...range,
      );
      const row = onlyOne(rows, reference, 'container');
      return row ? recordOf(row) : null;
    },

    isTransient: (id) => isTransient(db, id),

    keep(id) {
      db.transaction(() => {
        db.run('DELETE FROM pins WHERE key = ?', transientKey(id));
        write(byId(id));
      });
    },

    list() {
      if (!readOnly) clearOwners(context);
      return db.all<ContainerRow>('SELECT * FROM containers ORDER BY created, name').map(recordOf);
    },

    update(id, change) {
      if (change.name !== undefined) checkContainerName(change.name);
      db.transaction(() => {
        const before = byId(id);
        const holder = change.name === undefined ? undefined : holderOf(change.name);
        if (change.name !== undefined && holder !== undefined && holder !== id)
          throw nameTaken(change.name, holder);
        write({ ...before, ...change });
      });
    },

    remove(id) {
      presence.id();
      const drop = () => {
        byId(id);
        releaseContainer(db, id);
        db.run('DELETE FROM containers WHERE id = ?', id);
      };
      withBallast(root, () => db.transaction(drop));
      if (db.inTransaction) return; // it may still be undone: the files go with `collect`
      staging.discard(layout.container(root, id));
      staging.empty();
      try {
        rmdirSync(join(runroot, 'mounts', id));
      } catch {
        // never mounted, or still: both are the builder's matter
      }
    },

    directories(id) {
      const directory = layout.container(root, id);
      return {
        directory,
        upper: join(directory, 'upper'),
        work: join(directory, 'work'),
        mountPoint: join(runroot, 'mounts', id),
      };
    },

    freeze(id, frozen) {
      byId(id);
      freezeUpper(context, allLayers, id, frozen);
    },

    takeUpper(id) {
      byId(id);
      presence.id();
      pins.pin(`taken:${id}`);
      try {
        return { directory: takeUpper(root, id), putBack: () => putUpperBack(root, id) };
      } catch (error) {
        throw explainAt(root, error, `taking the changes of container ${id}`);
      }
    },
  };
}
