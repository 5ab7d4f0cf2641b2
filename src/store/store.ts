import { log } from '../base/log.ts';
import { loadBallast } from './ballast.ts';
import { makeBlobs } from './blobs.ts';
import { currentBoot } from './boot.ts';
import { makeCacheMounts } from './cache-mounts.ts';
import { check } from './check.ts';
import { collect } from './collect.ts';
import { makeContainers } from './containers.ts';
import type { Context } from './context.ts';
import { forgetTorn, makeDurability } from './durability.ts';
import { makeFileDigests } from './file-digests.ts';
import { rescueUppers } from './frozen.ts';
import { makeImages } from './images.ts';
import { kindOf } from './kind.ts';
import { makeLayers } from './layers.ts';
import { prepareRunroot } from './layout.ts';
import { makeLeases } from './leases.ts';
import { openIndex } from './open-index.ts';
import { makePresence } from './presence.ts';
import { makeRecords } from './records.ts';
import { makeStaging } from './staging.ts';
import { makeSteps } from './steps.ts';
import { dropTransient } from './transient.ts';
import type { Store, StoreOptions } from './types.ts';

/**
 * Opens the store, and makes it when there is none; whoever opens it, disposes of it. E_STORE when it is damaged, of
 * another kind, or not ours alone. On a read-only file system all that reads works, the rest is E_PERMISSION.
 */
export function openStore({
  root,
  runroot,
  mode,
  kind: asked,
  last = false,
  boot: now = currentBoot(),
}: StoreOptions): Store {
  const { db, kind, readOnly, boot } = openIndex(root, asked ?? kindOf(mode), now);
  try {
    prepareRunroot(runroot);
    if (!readOnly && now !== '' && now !== boot) forgetTorn(db, now);
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
  // in this order: a container that goes must have its files back
  const rescue = (who: string) => rescueUppers(root, db, who) && dropTransient(root, db, who);
  const presence = makePresence({ root, db, readOnly, rescue });
  const staging = makeStaging(root, presence);
  const durability = makeDurability(root, db);
  const context: Context = { root, runroot, kind, readOnly, db, presence, staging, durability };

  const leases = makeLeases(context);
  const { files, ...blobs } = makeBlobs(context, leases);
  const layers = makeLayers(context, leases);
  const records = makeRecords(root, db);

  let released = false;
  let ended = false;
  const collectReleased = () => {
    try {
      collect(context, leases);
      presence.end();
    } catch (error) {
      log.debug(`${root}: left to the next one that collects: ${String(error)}`);
    }
  };

  return {
    root,
    runroot,
    kind,
    blobs,
    layers,
    leases,
    images: makeImages(context, { files, layers, records }),
    containers: makeContainers(context, layers),
    steps: makeSteps(context, layers),
    cacheMounts: makeCacheMounts(context, leases),
    fileDigests: makeFileDigests(context),
    transaction(work) {
      presence.id(); // not inside: it clears what dead processes left
      return db.transaction(work);
    },
    barrier: () => durability.barrier(),
    collect: ({ grace } = {}) => collect(context, leases, grace),
    collectLater() {
      released = true;
    },
    check: (options) => check(context, { files, layers, records }, options),
    scratch: () => staging.directory(),
    [Symbol.dispose]() {
      if (!db.open || ended) return;
      ended = true;
      try {
        presence.end();
        if (released) collectReleased();
      } finally {
        durability.close();
        if (!last) db[Symbol.dispose]();
        if (!readOnly) loadBallast(root);
      }
    },
  };
}
