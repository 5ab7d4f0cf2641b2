import type { Descriptor } from '../base/descriptor.ts';
import { type Digest, digestOf } from '../base/digest.ts';
import { createdOf, encodeConfig } from '../images/config.ts';
import { type Location, parseLocation } from '../images/location.ts';
import { type LayerCompression, layerType } from '../images/media-types.ts';
import { appendHistory, appendLayer, changeConfig, changeSettings, stampConfig } from '../images/mutate.ts';
import { pushImage } from '../images/push.ts';
import { newImageName } from '../images/reference.ts';
import type { ContainerConfig, History, ImageConfig } from '../images/types.ts';
import { changes } from '../layers/diff.ts';
import { fileSink, writeLayer } from '../layers/layer.ts';
import { type PackOptions, packLayer } from '../layers/pack.ts';
import { visibleStack } from '../layers/root.ts';
import type { Change } from '../layers/types.ts';
import type { ImageRecord, LayerRef } from '../store/types.ts';
import { now } from './clock.ts';
import { type ConfigChange, configured } from './config.ts';
import { type Container, exclusively, read } from './container.ts';
import { containerChanges, freeze, isUnchanged } from './freeze.ts';
import { applyInstructions } from './instructions.ts';
import { pacedChunks } from './pace.ts';
import { remove } from './remove.ts';
import { layerPaths, shownAt } from './rootfs.ts';
import type { ContainerState, ImageFormat } from './state.ts';

export interface CommitOptions {
  readonly format?: ImageFormat | undefined;
  /** One layer with everything, the base's files too. */
  readonly squash?: boolean | undefined;
  /** The container goes after a successful commit. */
  readonly rm?: boolean | undefined;
  /** Seconds since 1970: `created` everywhere and every file's mtime in the new layer. */
  readonly timestamp?: number | undefined;
  /** Seconds since 1970: `created` everywhere; files keep their times unless `rewriteTimestamp`, which makes none later. */
  readonly sourceDateEpoch?: number | undefined;
  readonly rewriteTimestamp?: boolean | undefined;
  readonly omitHistory?: boolean | undefined;
  /** Changes for this image alone: settings that take the place of all, then changes, then Dockerfile instructions. */
  readonly settings?: ContainerConfig | undefined;
  readonly change?: ConfigChange | undefined;
  readonly instructions?: readonly string[] | undefined;
  /** Manifest annotations besides the container's own. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly unsetAnnotations?: readonly string[] | undefined;
  /** Label the image with this version of bld. */
  readonly identity?: string | undefined;
  /** `org.opencontainers.image.created`: true when absent. */
  readonly createdAnnotation?: boolean | undefined;
  /** How a destination outside of the store gets its layers. */
  readonly compression?: LayerCompression | undefined;
  readonly compressionLevel?: number | undefined;
  readonly forceCompression?: boolean | undefined;
}

/** What a commit made. */
export interface Committed {
  /** The configuration's digest. */
  readonly id: Digest;
  readonly names: readonly string[];
  /** The manifest that was written to a destination outside of the store; null otherwise. */
  readonly manifest: Digest | null;
}

/**
 * Makes an image of the container: in the store under the name, or at `transport:details`, or nameless. The container's
 * changes become a layer by a rename, and it goes on on top of it; nothing is copied or compressed unless a destination needs it.
 */
export async function commit(
  container: Container,
  destination?: string,
  options: CommitOptions = {},
): Promise<Committed> {
  const location = destination === undefined ? null : parseLocation(destination);
  const outside = location !== null && location.transport !== 'containers-storage' ? location : null;
  const name = location?.transport === 'containers-storage' ? location.name : destination;
  const names = name === undefined || outside ? [] : [newImageName(name)];
  const image = await exclusively(container, () => addImage(container, names, options, outside !== null));
  const manifest = outside && (await publish(container, image, outside, options));
  if (options.rm) await remove(container);
  return { id: image.id, names, manifest };
}

/** Writes the image to its destination; what only served that goes again. */
async function publish(
  { engine }: Container,
  image: ImageRecord,
  location: Location,
  options: CommitOptions,
): Promise<Digest | null> {
  const { digest } = await pushImage(engine.store, image, location, {
    ...(options.format && { format: options.format }),
    ...(options.compression && { compression: options.compression }),
    ...(options.compressionLevel !== undefined && { level: options.compressionLevel }),
    ...(options.forceCompression && { force: true }),
    registry: { ...engine.registry, uid: engine.environment.uid, signal: engine.signal },
    onProgress: engine.progress,
  });
  const record = engine.store.images.get(image.id);
  if (record?.intermediate && record.names.length === 0) engine.store.images.remove(image.id);
  return digest;
}

interface NewLayers {
  readonly image: ImageConfig;
  readonly layers: readonly LayerRef[];
}

async function addImage(
  container: Container,
  names: readonly string[],
  options: CommitOptions,
  passing: boolean,
): Promise<ImageRecord> {
  const { store } = container.engine;
  const seconds = options.timestamp ?? options.sourceDateEpoch;
  const before = read(container).state;
  const created = now(seconds);
  const entry: History = {
    created,
    created_by: before.createdBy ?? '/bin/sh',
    ...(before.image.author !== undefined && { author: before.image.author }),
    ...(historyComment(before) !== undefined && { comment: historyComment(before) as string }),
  };
  const made = options.squash
    ? await squashed(container, entry, packOptions(options))
    : await layered(container, entry, packOptions(options));
  const { state } = read(container);
  const changed = changedImage(made.image, state, options);
  const image = finished(changed, state, options);
  const config = encodeConfig(image);
  const format = options.format ?? state.format;
  const existing = store.images.get(digestOf(config));
  return store.images.add({
    config,
    layers: made.layers,
    names,
    created: createdOf(image),
    intermediate: existing ? existing.intermediate : passing,
    data: { format, annotations: annotationsOf(state, created, options) },
  });
}

function changedImage(image: ImageConfig, state: ContainerState, options: CommitOptions): ImageConfig {
  const { settings, change, instructions } = options;
  const set = settings ? { ...image, config: settings } : image;
  const changed = change ? configured({ ...state, image: set }, change).image : set;
  return instructions?.length ? applyInstructions(changed, instructions) : changed;
}

function historyComment(state: ContainerState): string | undefined {
  return state.historyComment ?? (state.base.name === null ? undefined : `FROM ${state.base.name}`);
}

function packOptions({ timestamp, sourceDateEpoch, rewriteTimestamp }: CommitOptions): PackOptions {
  if (timestamp !== undefined) return { timestamp: { time: BigInt(timestamp) * 1_000_000_000n, how: 'set' } };
  if (!rewriteTimestamp || sourceDateEpoch === undefined) return {};
  return { timestamp: { time: BigInt(sourceDateEpoch) * 1_000_000_000n, how: 'clamp' } };
}

function finished(image: ImageConfig, { base }: ContainerState, options: CommitOptions): ImageConfig {
  const { identity } = options;
  const labels = { ...image.config?.Labels, ...(identity !== undefined && { 'io.bld.version': identity }) };
  const config = identity === undefined ? image : changeSettings(image, { Labels: labels });
  const seconds = options.timestamp ?? options.sourceDateEpoch;
  const own = options.squash ? 0 : base.history;
  const dated =
    seconds === undefined
      ? changeConfig(config, { created: now() })
      : stampConfig(config, new Date(seconds * 1000), own);
  return options.omitHistory ? { ...dated, history: [] } : dated;
}

function annotationsOf(
  state: ContainerState,
  created: string,
  options: CommitOptions,
): Record<string, string> {
  const { base } = state;
  const all: Record<string, string> = {
    ...(base.manifest !== null && { 'org.opencontainers.image.base.digest': base.manifest }),
    ...(base.name !== null && { 'org.opencontainers.image.base.name': base.name }),
    ...(options.createdAnnotation !== false && { 'org.opencontainers.image.created': created }),
    ...state.annotations,
    ...options.annotations,
  };
  for (const key of options.unsetAnnotations ?? []) delete all[key];
  return all;
}

/** The base's layers with the bytes that are known for them, then the container's own. */
function knownLayers(container: Container, diffIds: readonly Digest[]): LayerRef[] {
  const { store } = container.engine;
  const { base } = read(container).state;
  const known = base.id === null ? [] : (store.images.get(base.id)?.layers ?? []);
  return diffIds.map((diffId, index) => {
    const size = store.layers.size(diffId);
    const layer = known[index]?.diffId === diffId ? known[index] : { diffId };
    return size === null ? layer : { ...layer, size };
  });
}

/** The container's layers, with what changed since the last as one more. */
async function layered(container: Container, entry: History, pack: PackOptions): Promise<NewLayers> {
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
async function squashed(container: Container, entry: History, pack: PackOptions): Promise<NewLayers> {
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
