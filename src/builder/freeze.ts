import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../base/digest.ts';
import { isErrno } from '../base/errors.ts';
import { appendLayer } from '../images/mutate.ts';
import type { History } from '../images/types.ts';
import { changes } from '../layers/diff.ts';
import { writeLayer } from '../layers/layer.ts';
import { packLayer } from '../layers/pack.ts';
import { inheritRoot, readRoot, sameRoot } from '../layers/root.ts';
import type { Change } from '../layers/types.ts';
import { type Container, read } from './container.ts';
import { type Leak, leaksIn } from './leaks.ts';
import { Search } from './needles.ts';
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
  const { upper } = store.containers.directories(container.id);
  if (readdirSync(upper).length > 0) return false;
  const base = topLayer(container);
  if (base === null || !isPrepared(container)) return true;
  return sameRoot(readRoot(upper, store.kind), base, store.kind);
}

/** Says which upper directory was made like the root below it; one that was not has never been in use. */
function preparedFile(container: Container): string {
  return join(container.engine.store.containers.directories(container.id).directory, 'prepared');
}

function identityOf({ engine, id }: Container): string {
  return String(statSync(engine.store.containers.directories(id).upper, { bigint: true }).ino);
}

function isPrepared(container: Container): boolean {
  try {
    return readFileSync(preparedFile(container), 'utf8') === identityOf(container);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** A fresh upper directory looks like the root below it, so that the root is no change of its own. */
export function prepareUpper(container: Container, base: string): void {
  const { store } = container.engine;
  const { upper } = store.containers.directories(container.id);
  // later a command may have changed the root alone
  if (isPrepared(container) || readdirSync(upper).length > 0) return;
  inheritRoot(base, upper, store.kind);
  writeFileSync(preparedFile(container), identityOf(container), { mode: 0o600 });
}

/** Another layer is uppermost now: an upper directory that holds nothing is to get its root when it is next used. */
export function renewUpper(container: Container): void {
  rmSync(preparedFile(container), { force: true });
}

/** The layer's digests, found by packing it to nowhere. */
export async function measure(
  tree: Iterable<Change>,
  signal?: AbortSignal | undefined,
  onChunk?: (chunk: Buffer) => void,
): Promise<{ diffId: Digest; size: number }> {
  const chunks = packLayer(tree);
  const tar = pacedChunks(onChunk ? seen(chunks, onChunk) : chunks, signal);
  const { diffId, tarSize } = await writeLayer(tar, { compression: 'none' });
  return { diffId, size: tarSize };
}

async function* seen(chunks: AsyncIterable<Buffer>, onChunk: (chunk: Buffer) => void) {
  for await (const chunk of chunks) {
    onChunk(chunk);
    yield chunk;
  }
}

/** A layer that was made, and the secrets that were found in it. */
export interface Frozen {
  readonly diffId: Digest;
  readonly leaks: readonly Leak[];
}

/**
 * Makes what the container changed a layer of its own, by moving its upper directory; it goes on with an empty one on
 * top. Null, and nothing done, when it changed nothing. The caller is alone on the container, and nobody has it mounted.
 */
export async function freeze(container: Container, history: History): Promise<Frozen | null> {
  const { store } = container.engine;
  pruneCopiedUp(store.containers.directories(container.id).upper, layersBelow(container), store.kind);
  if (isUnchanged(container)) return null;
  const { diffId, size, leaks } = await inspected(container);
  const change = (before: unknown): ContainerState => {
    const state = before as ContainerState;
    return { ...state, image: appendLayer(state.image, diffId, history) };
  };
  store.containers.freeze(container.id, { diffId, size, change });
  return { diffId, leaks };
}

/** The layer's digests, and the known secrets in it, told to whoever watches for them before there is a layer. */
async function inspected(container: Container) {
  const { watch, signal } = container.engine;
  const needles = watch?.needles() ?? [];
  if (needles.length === 0) return { ...(await measure(containerChanges(container), signal)), leaks: [] };
  const search = new Search(needles);
  const measured = await measure(containerChanges(container), signal, (chunk) => search.add(chunk));
  const leaks = search.found.size > 0 ? await leaksIn(containerChanges(container), needles) : [];
  if (leaks.length > 0) watch?.found(leaks);
  return { ...measured, leaks };
}
