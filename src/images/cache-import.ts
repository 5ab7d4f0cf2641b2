import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { readAll, verified } from '../base/streams.ts';
import type { StepRecord, Store } from '../store/types.ts';
import { diffIdsFor } from './config.ts';
import { chooseImage, fetchNode, type ImageSource, type ManifestNode } from './copy.ts';
import { reading } from './copy-error.ts';
import { decodeConfig } from './decode.ts';
import { MAX_DOCUMENT } from './json.ts';
import type { Lender } from './lent-layers.ts';
import { formatLocation, type Location } from './location.ts';
import { layerKind } from './media-types.ts';
import { hostPlatform } from './platform.ts';
import { repositoryName } from './reference.ts';
import { stepsOf } from './step-document.ts';
import type { RegistryOptions } from './transports/registry.ts';
import { resolveSource } from './transports/resolve.ts';
import type { Descriptor, Manifest, Platform } from './types.ts';

export interface ImportOptions {
  /** Of an index, the images for these; the machine's own when absent. */
  readonly platforms?: readonly Platform[] | undefined;
  readonly registry?: RegistryOptions;
}

/** A build cache that was opened: its records, and the layers that it lends. Dispose it when nobody needs those any more. */
export interface OpenCache extends Lender, AsyncDisposable {
  readonly label: string;
  readonly steps: readonly StepRecord[];
}

/**
 * Reads the step records of an image, which need not be a cache alone; no layer is fetched. E_NOT_FOUND when it is not
 * there, E_INTEGRITY when it is malformed.
 */
export async function openCache(
  store: Store,
  location: Location,
  { registry, platforms = [hostPlatform()] }: ImportOptions = {},
): Promise<OpenCache> {
  const resolved = await resolveSource(location, { store, ...(registry && { registry }) });
  const { source } = resolved;
  try {
    const nodes = await imagesFor(source, platforms);
    const read = await Promise.all(nodes.map((node) => readSteps(source, node)));
    return {
      label: formatLocation(location),
      source,
      steps: read.flatMap(({ steps }) => steps),
      layers: new Map(read.flatMap(({ manifest, diffIds }) => lendable(manifest, diffIds))),
      origin: location.transport === 'docker' ? repositoryName(location.reference) : undefined,
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/** The image, or those of the index that serve one of the platforms: one at least. E_NOT_FOUND. */
async function imagesFor(source: ImageSource, platforms: readonly Platform[]): Promise<ManifestNode[]> {
  const top = await fetchNode(source, undefined);
  if (top.document.kind === 'manifest') return [top];
  const asked = await Promise.allSettled(platforms.map((platform) => chooseImage(source, top, platform)));
  const chosen = asked.flatMap((one) => (one.status === 'fulfilled' && one.value ? [one.value] : []));
  const failure = asked.find((one) => one.status === 'rejected');
  if (chosen.length === 0 && failure) throw failure.reason;
  return [...new Map(chosen.map((node) => [node.raw.digest, node])).values()];
}

async function readSteps(source: ImageSource, { document, raw }: ManifestNode) {
  if (document.kind !== 'manifest') throw new Error('internal: an index where an image was chosen');
  const { manifest } = document;
  const { config } = manifest;
  const what = `${source.label}: config ${config.digest}`;
  return reading(source.label, async () => {
    if (config.size > MAX_DOCUMENT) throw new BldError('E_LIMIT', `${what} has ${config.size} bytes`);
    const bytes = await readAll(verified(await source.open(config, 0), config, what), MAX_DOCUMENT, what);
    const read = decodeConfig(bytes, what);
    const diffIds = diffIdsFor(read, manifest.layers.length, `manifest ${raw.digest}`);
    return { manifest, diffIds, steps: stepsOf(read, what) };
  });
}

/** The layers whose bytes are where the manifest is, and of a kind that can be unpacked. */
function lendable(
  { layers }: Manifest,
  diffIds: readonly Digest[],
): readonly (readonly [Digest, Descriptor])[] {
  return layers.flatMap(({ mediaType, digest, size }, at) => {
    const diffId = diffIds[at];
    const isKnown = layerKind(mediaType)?.foreign === false;
    return diffId !== undefined && isKnown ? [[diffId, { mediaType, digest, size }] as const] : [];
  });
}
