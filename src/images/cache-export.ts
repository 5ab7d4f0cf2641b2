import { Readable } from 'node:stream';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { mapPool } from '../base/pool.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import type { StepRecord, Store } from '../store/types.ts';
import { buildImage, layerAs } from './build-image.ts';
import { emptyConfig, encodeConfig } from './config.ts';
import { copyImage, type ImageSource } from './copy.ts';
import { MAX_DOCUMENT } from './json.ts';
import { isDamage } from './layer-proof.ts';
import type { LentLayers } from './lent-layers.ts';
import { formatLocation, type Location, type Transport } from './location.ts';
import { layerBlob, type MaterialiseOptions } from './materialise.ts';
import { changeConfig } from './mutate.ts';
import { hostPlatform } from './platform.ts';
import { repositoryName } from './reference.ts';
import { withSteps } from './step-document.ts';
import type { RegistryOptions } from './transports/registry.ts';
import { resolveSink } from './transports/resolve.ts';
import type { Descriptor, Platform } from './types.ts';

export interface ExportOptions extends Pick<MaterialiseOptions, 'compression' | 'level' | 'force'> {
  /** What the steps were done for: lists of a registry show it. */
  readonly platform?: Platform | undefined;
  readonly lent?: LentLayers | undefined;
  readonly registry?: RegistryOptions;
  readonly onProgress?: Progress;
}

/** What a cache tells. */
export interface CacheContent {
  /** Steps with their layers. */
  readonly steps: readonly StepRecord[];
  /** Steps whose layers stay behind: they say what comes of a step to a build that needs none of its files. */
  readonly outlines?: readonly StepRecord[];
}

/** Where manifests are kept as they are. */
const TRANSPORTS: readonly Transport[] = ['docker', 'oci', 'oci-archive', 'dir'];
/** Layers packed at once. */
const AT_ONCE = 2;

/**
 * Writes the steps as an image whose layers are theirs and whose configuration carries the records, so that every
 * registry and tool takes it. Layers that the place has are not sent again. Gives the manifest's digest.
 */
export async function exportCache(
  store: Store,
  { steps, outlines = [] }: CacheContent,
  destination: Location,
  options: ExportOptions = {},
): Promise<Digest> {
  const { onProgress = noProgress, registry, lent } = options;
  if (!TRANSPORTS.includes(destination.transport)) throw noPlace(destination);
  const resolved = await resolveSink(destination, { store, ...(registry && { registry }) });
  if (resolved.kind === 'tars') throw noPlace(destination);
  await using sink = resolved.sink;
  const layers = await packedLayers(store, steps, options);
  const kept = steps.filter(({ diffId }) => diffId === null || layers.has(diffId));
  const image = cacheImage([...outlines, ...kept], layers, options);
  await using source = cacheSource(store, image, { lent });
  const { root } = await copyImage(source, sink, { onProgress });
  if (destination.transport === 'docker') {
    const repository = repositoryName(destination.reference);
    for (const { digest } of layers.values()) store.blobs.addOrigin(digest, repository);
  }
  return root.raw.digest;
}

function noPlace(destination: Location): BldError {
  return new BldError('E_UNSUPPORTED', `${formatLocation(destination)} keeps no build cache`, {
    hint: 'there are registries, oci:DIR:TAG, oci-archive:FILE:TAG and dir:DIR',
  });
}

/** The bytes of each layer once, in the order of the steps; one whose files are not what they were is left out. */
async function packedLayers(
  store: Store,
  steps: readonly StepRecord[],
  options: ExportOptions,
): Promise<ReadonlyMap<Digest, Descriptor>> {
  const diffIds = [...new Set(steps.flatMap(({ diffId }) => diffId ?? []))];
  const blobs = await mapPool(diffIds, AT_ONCE, async (diffId) => {
    const size = store.layers.size(diffId);
    // what the layer stands on is not known here: its root is told or is not, and its diffID says which
    const place = { layer: { diffId, ...(size !== null && { size }) }, below: diffId };
    try {
      return [[diffId, layerAs(await layerBlob(store, place, options), 'oci')] as const];
    } catch (error) {
      if (!isDamage(error)) throw error;
      log.warn(`the layer ${diffId} does not go into the cache: ${(error as Error).message}`);
      return [];
    }
  });
  return new Map(blobs.flat());
}

interface CacheImage {
  readonly config: Buffer;
  readonly layers: readonly Descriptor[];
}

/** The newest records that a reader would take, should they be too many. */
function cacheImage(
  steps: readonly StepRecord[],
  layers: ReadonlyMap<Digest, Descriptor>,
  { platform = hostPlatform() }: ExportOptions,
): CacheImage {
  const newest = Math.max(0, ...steps.map(({ created }) => created));
  const named = new Set(steps.flatMap(({ diffId }) => diffId ?? []));
  const diffIds = [...named].filter((diffId) => layers.has(diffId));
  const bare = emptyConfig(platform);
  const dated = steps.length > 0 ? changeConfig(bare, { created: new Date(newest).toISOString() }) : bare;
  const history = diffIds.map(() => ({ created_by: 'bld build cache' }));
  const image = { ...dated, rootfs: { type: 'layers', diff_ids: diffIds }, history };
  const config = encodeConfig(withSteps(image, steps));
  if (config.length <= MAX_DOCUMENT) {
    return { config, layers: diffIds.flatMap((diffId) => layers.get(diffId) ?? []) };
  }
  const fewer = [...steps].sort((a, b) => b.created - a.created).slice(0, Math.floor(steps.length * 0.8));
  log.warn(`the cache is too large: its ${steps.length - fewer.length} oldest steps are left out`);
  return cacheImage(
    steps.filter((step) => fewer.includes(step)),
    layers,
    { platform },
  );
}

function cacheSource(
  store: Store,
  { config: bytes, layers }: CacheImage,
  { lent }: Pick<ExportOptions, 'lent'>,
): ImageSource {
  const { manifest, config } = buildImage({ config: bytes, layers, format: 'oci' });
  const label = 'the build cache';
  return {
    label,
    async manifest(digest = manifest.digest) {
      if (digest === manifest.digest) return manifest;
      throw new BldError('E_NOT_FOUND', `${label} has no manifest ${digest}`);
    },
    async open(blob, offset) {
      if (blob.digest === config.digest)
        return Readable.from([bytes.subarray(offset)], { objectMode: false });
      if (lent && !store.blobs.has(blob.digest)) return lent.open(blob, offset);
      return store.blobs.open(blob.digest, offset);
    },
    origins: (digest) => [...store.blobs.origins(digest), ...(lent?.origins(digest) ?? [])],
    async [Symbol.asyncDispose]() {},
  };
}
