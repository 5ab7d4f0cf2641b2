import type { Digest } from '../base/digest.ts';
import { mapPool } from '../base/pool.ts';
import type { LentLayers } from '../images/lent-layers.ts';
import type { ImageRecord, StepRecord } from '../store/types.ts';
import type { Engine } from './engine.ts';

/** Steps from elsewhere, with their layers: believed by one build, never kept as the store's own. */
export interface LentSteps extends LentLayers {
  /** An image of which only the documents are here. */
  image(id: Digest): ImageRecord | null;
  find(key: Digest): LentStep | null;
  /** The newest record of the site. */
  latest(site: string): StepRecord | null;
  /** True for a layer that only has a name: who asks for its files ends this try of the build. */
  isOutlined(diffId: Digest): boolean;
}

export interface LentStep {
  readonly record: StepRecord;
  /** Where it comes from, for messages. */
  readonly from: string;
}

export interface Found {
  readonly record: StepRecord;
  /** Null: the store's own. */
  readonly from: string | null;
}

/** The record of a step that may be replayed: the store's own, else an imported one; none that is too old. */
export function findStep(engine: Engine, key: Digest): Found | null {
  const { store, lent, cacheTtl, refresh, shared } = engine;
  if (refresh && !shared?.done.has(key)) return null;
  const isYoung = ({ created }: StepRecord) => Date.now() - created < cacheTtl;
  const own = store.steps.get(key);
  if (own && isYoung(own)) return { record: own, from: null };
  const other = lent?.find(key);
  return other && isYoung(other.record) ? other : null;
}

/** True when the store has the layer, as files or as bytes. */
export function isHere({ store }: Engine, diffId: Digest): boolean {
  return store.layers.path(diffId) !== null || store.layers.blobs(diffId).length > 0;
}

/** True when the layer is here, is lent, or is told of: a build may go on as if it had it. */
export function isAvailable(engine: Engine, diffId: Digest): boolean {
  return isHere(engine, diffId) || isLentAlone(engine, diffId) || engine.lent?.isOutlined(diffId) === true;
}

/** True when the layer can only be had from who lends it. */
export function isLentAlone(engine: Engine, diffId: Digest): boolean {
  return !isHere(engine, diffId) && (engine.lent?.blob(diffId) ?? null) !== null;
}

/** The image as the store has it, or as it is lent. */
export function imageOf({ store, lent }: Engine, id: Digest): ImageRecord | null {
  return store.images.get(id) ?? lent?.image(id) ?? null;
}

/** What the last time of the step is compared with: the newest record of its site, the store's own or an imported one. */
export function lastOf({ store, lent }: Engine, site: string): StepRecord | null {
  const [own, other] = [store.steps.latest(site), lent?.latest(site) ?? null];
  if (!own || !other) return own ?? other;
  return other.created > own.created ? other : own;
}

/** Layers fetched at once. */
const FETCHES = 4;

/** Brings layers that are only lent into the store: somebody is to rely on them without who lends them. */
export async function fetchLent({ lent }: Engine, diffIds: readonly Digest[]): Promise<void> {
  if (lent) await mapPool([...new Set(diffIds)], FETCHES, (diffId) => lent.fetch(diffId));
}
