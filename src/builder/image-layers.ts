import type { Descriptor } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { layerType } from '../images/media-types.ts';
import { appendHistory, appendLayer } from '../images/mutate.ts';
import type { History, ImageConfig } from '../images/types.ts';
import { changes } from '../layers/diff.ts';
import { fileSink, writeLayer } from '../layers/layer.ts';
import { type PackOptions, packLayer } from '../layers/pack.ts';
import { visibleStack } from '../layers/root.ts';
import type { Change } from '../layers/types.ts';
import type { LayerRef } from '../store/types.ts';
import { type Container, read } from './container.ts';
import { containerChanges, freeze, isUnchanged } from './freeze.ts';
import { pacedChunks } from './pace.ts';
import { layerPaths, shownAt } from './rootfs.ts';
import { imageOf } from './step-lookup.ts';

/** The layers of a new image, and its configuration with a history that fits them. */
export interface NewLayers {
  readonly image: ImageConfig;
  readonly layers: readonly LayerRef[];
}

/** The base's layers with the bytes that are known for them, then the container's own. */
function knownLayers(container: Container, diffIds: readonly Digest[]): LayerRef[] {
  const { engine } = container;
  const { store } = engine;
  const { base } = read(container).state;
  const known = base.id === null ? [] : (imageOf(engine, base.id)?.layers ?? []);
  return diffIds.map((diffId, index) => {
    const size = store.layers.size(diffId);
    const layer = known[index]?.diffId === diffId ? known[index] : { diffId };
    return size === null ? layer : { ...layer, size };
  });
}

/** The container's layers, with what changed since the last as one more. */
export async function layered(container: Container, entry: History, pack: PackOptions): Promise<NewLayers> {
  const movable = shownAt(container) === null && pack.timestamp === undefined;
  const frozen = movable ? await freeze(container, entry) : null;
  const { record, state } = read(container);
  const layers = knownLayers(container, record.layers);
  if (frozen !== null) return { image: state.image, layers };
  // an image of no layers at all is refused by many
  if (isUnchanged(container) && layers.length > 0)
    return { image: appendHistory(state.image, entry), layers };
  const packed = await packedLayer(container, containerChanges(container), pack);
  return { image: appendLayer(state.image, packed.diffId, entry), layers: [...layers, packed] };
}

/** All files in one layer; the history of the base goes with its layers. */
export async function squashed(container: Container, entry: History, pack: PackOptions): Promise<NewLayers> {
  const { engine, id } = container;
  const { record, state } = read(container);
  const lower = await layerPaths(engine, record.layers);
  const { upper } = engine.store.containers.directories(id);
  const stack = visibleStack([upper, ...lower.reverse()], engine.store.kind);
  const layer = await packedLayer(
    container,
    changes(stack, { kind: engine.store.kind, flatten: true }),
    pack,
  );
  const bare: ImageConfig = { ...state.image, rootfs: { type: 'layers', diff_ids: [] }, history: [] };
  return { image: appendLayer(bare, layer.diffId, entry), layers: [layer] };
}

/** Packs changes into a compressed blob of the store: where no directory can become the layer. */
async function packedLayer(
  container: Container,
  tree: Iterable<Change>,
  pack: PackOptions,
): Promise<LayerRef> {
  const { store, signal } = container.engine;
  const staged = store.blobs.stage();
  try {
    const tar = pacedChunks(packLayer(tree, pack), signal);
    const bytes = await writeLayer(tar, { compression: 'gzip', sink: fileSink(staged.fd) });
    staged.publish(bytes.digest, bytes.size);
    const mediaType = layerType({ format: 'oci', compression: 'gzip', foreign: false });
    if (mediaType === undefined) throw new Error('internal: no media type for gzip');
    const blob: Descriptor = { mediaType, digest: bytes.digest, size: bytes.size };
    store.layers.addBlob(bytes.diffId, blob);
    return { diffId: bytes.diffId, blob, size: bytes.tarSize };
  } catch (error) {
    staged.discard();
    throw error;
  }
}

/**
 * The container's layers and nothing else: all that it changed is frozen already. Its own layers are packed anew where
 * their files get other times. An image that has no layer gets an empty one, for many refuse an image of none.
 */
export async function sealed(container: Container, pack: PackOptions): Promise<NewLayers> {
  const { record, state } = read(container);
  const known = knownLayers(container, record.layers);
  if (known.length === 0) return emptyLayer(container, state.image);
  const own = known.length > state.base.layers;
  if (pack.timestamp === undefined || !own) return { image: state.image, layers: known };
  const paths = await layerPaths(container.engine, record.layers);
  const layers = [...known.slice(0, state.base.layers)];
  for (let index = layers.length; index < known.length; index++) {
    const base = paths[index - 1];
    const options = { kind: container.engine.store.kind, ...(base !== undefined && { base }) };
    layers.push(await packedLayer(container, changes([paths[index] ?? ''], options), pack));
  }
  const diffIds = layers.map(({ diffId }) => diffId);
  const rootfs = { ...state.image.rootfs, diff_ids: diffIds };
  return { image: { ...state.image, rootfs }, layers };
}

async function emptyLayer(container: Container, image: ImageConfig): Promise<NewLayers> {
  const layer = await packedLayer(container, [], {});
  const history = image.history ?? [];
  const { empty_layer: _, ...last } = history.at(-1) ?? {};
  const rootfs = { ...image.rootfs, diff_ids: [layer.diffId] };
  return { image: { ...image, rootfs, history: [...history.slice(0, -1), last] }, layers: [layer] };
}
