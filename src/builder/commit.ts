import type { Descriptor } from '../base/descriptor.ts';
import { type Digest, digestOf } from '../base/digest.ts';
import { createdOf, encodeConfig } from '../images/config.ts';
import { type Location, parseLocation } from '../images/location.ts';
import type { LayerCompression } from '../images/media-types.ts';
import { changeConfig, changeSettings, stampConfig } from '../images/mutate.ts';
import { newImageName } from '../images/reference.ts';
import type { ContainerConfig, History, ImageConfig } from '../images/types.ts';
import type { PackOptions } from '../layers/pack.ts';
import type { ImageRecord, Store } from '../store/types.ts';
import { now } from './clock.ts';
import { type ConfigChange, configured } from './config.ts';
import { type Container, exclusively, read } from './container.ts';
import type { Engine } from './engine.ts';
import { layered, type NewLayers, sealed, squashed } from './image-layers.ts';
import type { PushRequest } from './images.ts';
import { applyInstructions } from './instructions.ts';
import { remove } from './remove.ts';
import type { ContainerState, ImageFormat } from './state.ts';
import { fetchLent, isHere, isLentAlone } from './step-lookup.ts';

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
  /** Of the container's; not of those that are given here. */
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
  /** That manifest's type, size and digest. */
  readonly descriptor: Descriptor | null;
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
  const written = outside && (await publish(container.engine, image, outside, pushOptions(options)));
  if (options.rm) await remove(container);
  return { id: image.id, names, manifest: written?.digest ?? null, descriptor: written };
}

/** How an image of frozen changes gets into the store. */
export interface Committing {
  readonly names: readonly string[];
  /** The image is a part of something else, or on its way out: no image of its own in lists. */
  readonly passing: boolean;
  /** It goes to registries alone. */
  readonly lends?: boolean | undefined;
}

export interface SealedOptions extends CommitOptions {
  /** The image's date, RFC 3339. */
  readonly created: string;
  /** What the configuration carries besides, by the image's layers. */
  readonly carried?: ((image: ImageConfig) => ImageConfig) | undefined;
}

/**
 * Makes an image of a container whose changes are frozen, with its own history: what a Dockerfile's steps have made.
 * `created` is the image's date where the options set none. An image that only goes to registries (`lends`) needs no
 * bytes here of the layers that it was lent: then it is not in the store.
 */
export async function commitSealed(
  container: Container,
  { names, passing, lends = false }: Committing,
  options: SealedOptions,
): Promise<ImageRecord> {
  const { carried } = options;
  const seconds = secondsOf(options);
  const created = seconds === undefined ? options.created : now(seconds);
  return exclusively(container, async () => {
    const entry: History = { created, created_by: 'all layers in one', comment: 'buildkit.dockerfile.v0' };
    const made = options.squash
      ? await squashed(container, entry, packOptions(options))
      : await sealed(container, packOptions(options));
    return storeImage(container, made, { names, options, passing, created, carried, lends });
  });
}

/** Writes the image to its destination, and takes what was only made for it out of the store; what its manifest is. */
export async function publish(
  engine: Engine,
  image: ImageRecord,
  location: Location,
  request: PushRequest,
): Promise<Descriptor | null> {
  const { pushImage } = await import('../images/push.ts');
  const { dropPassing } = await import('../images/lists.ts');
  try {
    const { descriptor } = await pushImage(engine.store, image, location, {
      ...request,
      ...(engine.lent && { lent: engine.lent }),
      registry: { ...engine.registry, uid: engine.environment.uid, signal: engine.signal },
      onProgress: engine.progress,
    });
    return descriptor;
  } finally {
    dropPassing(engine.store, image.id);
  }
}

/** How the manifest of what is committed is made. */
export function pushOptions(options: CommitOptions): PushRequest {
  const { format, compression, compressionLevel, forceCompression } = options;
  return {
    ...(format && { format }),
    ...(compression && { compression }),
    ...(compressionLevel !== undefined && { level: compressionLevel }),
    ...(forceCompression && { force: true }),
  };
}

function secondsOf({ timestamp, sourceDateEpoch }: CommitOptions): number | undefined {
  return timestamp ?? sourceDateEpoch;
}

async function addImage(
  container: Container,
  names: readonly string[],
  options: CommitOptions,
  passing: boolean,
): Promise<ImageRecord> {
  const seconds = secondsOf(options);
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
  return storeImage(container, made, { names, options, passing, created });
}

interface Storing {
  readonly names: readonly string[];
  readonly options: CommitOptions;
  /** It only serves a destination outside of the store. */
  readonly passing: boolean;
  /** Of the image, where the options do not tell. */
  readonly created: string;
  readonly carried?: SealedOptions['carried'];
  /** Its layers may stay with who lends them. */
  readonly lends?: boolean;
}

async function holdPassing(store: Store, id: Digest): Promise<void> {
  const lists = await import('../images/lists.ts');
  await lists.holdPassing(store, id);
}

/** Adds the image with these layers to the store: settings, dates and annotations as the options have them. */
async function storeImage(
  container: Container,
  made: NewLayers,
  { names, options, passing, created, carried = (image) => image, lends = false }: Storing,
): Promise<ImageRecord> {
  const { engine } = container;
  const { store } = engine;
  const { state } = read(container);
  const changed = changedImage(made.image, state, options);
  const image = carried(finished(changeConfig(changed, { created }), state, options));
  const config = encodeConfig(image);
  const format = options.format ?? state.format;
  const id = digestOf(config);
  if (passing) await holdPassing(store, id);
  const existing = store.images.get(id);
  const record = {
    layers: made.layers,
    names,
    created: createdOf(image),
    intermediate: existing ? existing.intermediate : passing,
    data: { format, annotations: annotationsOf(state, created, options) },
  };
  const absent = made.layers.map(({ diffId }) => diffId).filter((diffId) => !isHere(engine, diffId));
  if (lends && absent.length > 0 && absent.every((diffId) => isLentAlone(engine, diffId))) {
    const { digest } = await store.blobs.put(config);
    await holdPassing(store, id);
    // what had the names would be taken for this image
    store.images.untag(names.filter((name) => store.images.find(name) ?? store.images.findIndex(name)));
    return { ...record, names: [], id: digest, pastNames: [] };
  }
  await fetchLent(engine, absent);
  const added = await store.images.add({ ...record, config });
  if (!added.manifest) return added;
  // the same image was given out before, perhaps in another format or with other annotations
  const { materialise } = await import('../images/materialise.ts');
  await materialise(store, added);
  return store.images.get(added.id) ?? added;
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
  const seconds = secondsOf(options);
  const own = options.squash ? 0 : base.history;
  const dated = seconds === undefined ? config : stampConfig(config, new Date(seconds * 1000), own);
  return options.omitHistory ? { ...dated, history: [] } : dated;
}

function annotationsOf(
  state: ContainerState,
  created: string,
  options: CommitOptions,
): Record<string, string> {
  const all: Record<string, string> = {
    ...(options.createdAnnotation !== false && { 'org.opencontainers.image.created': created }),
    ...state.annotations,
  };
  for (const key of options.unsetAnnotations ?? []) delete all[key];
  return { ...all, ...options.annotations };
}
