import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../base/digest.ts';
import { appendLayer } from '../images/mutate.ts';
import type { History } from '../images/types.ts';
import { changes } from '../layers/diff.ts';
import { writeLayer } from '../layers/layer.ts';
import { packLayer } from '../layers/pack.ts';
import { inheritRoot, readRoot, sameRoot } from '../layers/root.ts';
import type { Change } from '../layers/types.ts';
import { type Container, read } from './container.ts';
import { pacedChunks } from './pace.ts';
import { pruneCopiedUp } from './prune.ts';
import type { ContainerState } from './state.ts';

/** What the container changed since its last layer, as a layer tells it. */
export function containerChanges(container: Container): Iterable<Change> {
  const { store } = container.engine;
  const { upper } = store.containers.directories(container.id);
  const base = topLayer(container);
  return changes([upper], { kind: store.kind, ...(base !== null && { base }) });
}

/** The uppermost unpacked layer; null when there is none, or when nobody needed its files yet. */
function topLayer(container: Container): string | null {
  const top = read(container).record.layers.at(-1);
  return top === undefined ? null : container.engine.store.layers.path(top);
}

/** The unpacked trees that the container stands on, uppermost first. */
function layersBelow(container: Container): string[] {
  const { layers } = container.engine.store;
  const paths = read(container).record.layers.map((diffId) => layers.path(diffId));
  return paths.filter((path) => path !== null).reverse();
}

/** True when no file was made, changed or deleted since the last layer. */
export function isUnchanged(container: Container): boolean {
  const { store } = container.engine;
  const { upper, work } = store.containers.directories(container.id);
  if (readdirSync(upper).length > 0) return false;
  if (readdirSync(work).length === 0) return true; // no overlay ever used them: the root is as it was made
  const base = topLayer(container);
  return base === null || sameRoot(readRoot(upper, store.kind), base, store.kind);
}

/** A fresh upper directory looks like the root below it, so that the root is no change of its own. */
export function prepareUpper(container: Container, base: string): void {
  const { store } = container.engine;
  const { upper } = store.containers.directories(container.id);
  if (readdirSync(upper).length === 0) inheritRoot(base, upper, store.kind);
}

/**
 * Makes an upper directory that holds nothing one that nobody used yet, for the layer under it is another now: its root
 * is to be that layer's when it is next mounted.
 */
export function renewUpper({ engine, id }: Container): void {
  const { work } = engine.store.containers.directories(id);
  for (const name of readdirSync(work)) rmSync(join(work, name), { recursive: true, force: true });
}

/** The layer's digests, found by packing it to nowhere. */
export async function measure(
  tree: Iterable<Change>,
  signal?: AbortSignal | undefined,
): Promise<{ diffId: Digest; size: number }> {
  const tar = pacedChunks(packLayer(tree), signal);
  const { diffId, tarSize } = await writeLayer(tar, { compression: 'none' });
  return { diffId, size: tarSize };
}

/**
 * Makes what the container changed a layer of its own, by moving its upper directory; it goes on with an empty one on
 * top. Null, and nothing done, when it changed nothing. The caller is alone on the container, and nobody has it mounted.
 */
export async function freeze(container: Container, history: History): Promise<Digest | null> {
  const { store, signal } = container.engine;
  pruneCopiedUp(store.containers.directories(container.id).upper, layersBelow(container), store.kind);
  if (isUnchanged(container)) return null;
  const { diffId, size } = await measure(containerChanges(container), signal);
  const change = (before: unknown): ContainerState => {
    const state = before as ContainerState;
    return { ...state, image: appendLayer(state.image, diffId, history) };
  };
  store.containers.freeze(container.id, { diffId, size, change });
  return diffId;
}
