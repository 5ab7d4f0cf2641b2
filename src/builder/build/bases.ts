import type { Borrowed } from '../../images/borrow.ts';
import type { LentLayers } from '../../images/lent-layers.ts';
import { formatLocation } from '../../images/location.ts';
import { formatPlatform, hostPlatform } from '../../images/platform.ts';
import type { Engine } from '../engine.ts';
import { isHere, type LentSteps } from '../step-lookup.ts';

/** Bases that a build leaves in their registries until a step reads their files. Dispose it after the build. */
interface Bases extends AsyncDisposable {
  readonly borrow: NonNullable<Engine['borrow']>;
  readonly layers: LentLayers & Pick<LentSteps, 'image'>;
}

/** The engine of a build whose result goes to registries alone: what nobody reads of its bases is not fetched. */
export async function withBases<Result>(
  engine: Engine,
  isLending: boolean,
  work: (engine: Engine) => Promise<Result>,
): Promise<Result> {
  if (!isLending) return work(engine);
  await using bases = await openBases(engine);
  const { borrow, layers } = bases;
  return await work({ ...engine, borrow, lent: joined(layers, engine.lent) });
}

async function openBases(engine: Engine): Promise<Bases> {
  const { store } = engine;
  const { lendLayers } = await import('../../images/lent-layers.ts');
  const asked = new Map<string, Promise<Borrowed | null>>();
  const all: (Borrowed & { whole?: Promise<void> })[] = [];
  const lenders: Borrowed['lender'][] = [];
  const layers = lendLayers(store, lenders, { onProgress: engine.progress });
  return {
    async borrow(location, options) {
      const { borrowImage } = await import('../../images/borrow.ts');
      const key = `${formatLocation(location)} ${formatPlatform(options.platform ?? hostPlatform())}`;
      const started = asked.get(key);
      const borrowing = started ?? borrowImage(store, location, options);
      asked.set(key, borrowing);
      const borrowed = await borrowing;
      if (borrowed && !started) {
        all.push(borrowed);
        lenders.push(borrowed.lender);
      }
      return borrowed && (store.images.get(borrowed.image.id) ?? borrowed.image);
    },
    layers: {
      ...layers,
      image: (id) => all.find(({ image }) => image.id === id)?.image ?? null,
      async fetch(diffId) {
        const base = all.find(({ lender }) => lender.layers.has(diffId));
        if (!base || isHere(engine, diffId)) return;
        base.whole ??= base.pull();
        await base.whole;
      },
    },
    async [Symbol.asyncDispose]() {
      for (const base of all) await base[Symbol.asyncDispose]();
    },
  };
}

/** Layers of bases before those of caches: what was pulled is what is pushed. */
function joined(bases: Bases['layers'], caches: LentSteps | undefined): LentSteps {
  return {
    image: bases.image,
    find: (key) => caches?.find(key) ?? null,
    latest: (site) => caches?.latest(site) ?? null,
    isOutlined: (diffId) => caches?.isOutlined(diffId) ?? false,
    holds: (digest) => bases.holds(digest) || caches?.holds(digest) === true,
    blob: (diffId) => bases.blob(diffId) ?? caches?.blob(diffId) ?? null,
    open: (blob, offset) =>
      bases.holds(blob.digest) || !caches ? bases.open(blob, offset) : caches.open(blob, offset),
    origins: (digest) => [...bases.origins(digest), ...(caches?.origins(digest) ?? [])],
    fetch: (diffId) => (bases.blob(diffId) || !caches ? bases.fetch(diffId) : caches.fetch(diffId)),
  };
}
