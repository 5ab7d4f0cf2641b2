import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { mapPool } from '../base/pool.ts';
import { exportCache } from '../images/cache-export.ts';
import { openCache } from '../images/cache-import.ts';
import { lendLayers } from '../images/lent-layers.ts';
import type { Location } from '../images/location.ts';
import type { ImageRecord, KeptStep, StepRecord } from '../store/types.ts';
import { registryOf } from './build/cache.ts';
import type { Engine } from './engine.ts';
import { stepKey } from './step.ts';

const AT_ONCE = 4;

/** What was written or read. */
export interface Transferred {
  readonly steps: number;
  readonly digest?: Digest;
}

/** Writes the store's steps, or those that made an image, to the place. */
export async function exportSteps(
  engine: Engine,
  destination: Location,
  image?: ImageRecord,
): Promise<Transferred> {
  const { store } = engine;
  // oldest first, so that what was added lately comes last in the image
  const all = store.steps.list().toReversed();
  const steps = (image ? stepsOfImage(all, image) : all).filter(({ key }) => store.steps.get(key) !== null);
  if (steps.length === 0) throw new BldError('E_NOT_FOUND', 'there are no steps to write');
  const registry = registryOf(engine);
  const digest = await exportCache(store, { steps }, destination, { registry, onProgress: engine.progress });
  return { steps: steps.length, digest };
}

/** Steps whose layers the image has; of those without a layer, the ones whose key says that they stand on its layers. */
function stepsOfImage(steps: readonly KeptStep[], { layers }: ImageRecord): KeptStep[] {
  const diffIds = layers.map(({ diffId }) => diffId);
  const isBetween = ({ key, inputs }: StepRecord) =>
    [...diffIds, null].some((_, at) => stepKey(diffIds.slice(0, at), inputs) === key);
  return steps.filter((step) => (step.diffId === null ? isBetween(step) : diffIds.includes(step.diffId)));
}

/**
 * Takes steps and their layers into the store: from then on they are its own, and every build believes them. All layers
 * are fetched and verified.
 */
export async function importSteps(engine: Engine, source: Location): Promise<Transferred> {
  const { store, progress: onProgress } = engine;
  await using cache = await openCache(store, source, { registry: registryOf(engine) });
  const lent = lendLayers(store, [cache], { onProgress });
  const steps = cache.steps.filter(({ diffId }) => diffId === null || lent.blob(diffId) !== null);
  const diffIds = [...new Set(steps.flatMap(({ diffId }) => diffId ?? []))];
  await mapPool(diffIds, AT_ONCE, (diffId) => lent.fetch(diffId));
  const known = new Set(store.steps.list().map(({ key }) => key));
  for (const step of steps) if (!known.has(step.key)) store.steps.put(step);
  store.barrier();
  return { steps: steps.length };
}
