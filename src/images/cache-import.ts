import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { readAll, verified } from '../base/streams.ts';
import type { StepRecord, Store } from '../store/types.ts';
import { diffIdsFor } from './config.ts';
import { chooseImage, fetchNode, type ImageSource } from './copy.ts';
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
  readonly platform?: Platform | undefined;
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
  { registry, platform = hostPlatform() }: ImportOptions = {},
): Promise<OpenCache> {
  const resolved = await resolveSource(location, { store, platform, ...(registry && { registry }) });
  const { source } = resolved;
  try {
    const { manifest, steps, diffIds } = await readSteps(source, platform);
    return {
      label: formatLocation(location),
      source,
      steps,
      layers: lendable(manifest, diffIds),
      origin: location.transport === 'docker' ? repositoryName(location.reference) : undefined,
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

async function readSteps(source: ImageSource, platform: Platform) {
  const top = await fetchNode(source, undefined);
  const { document, raw } = (await chooseImage(source, top, platform)) ?? top;
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
function lendable({ layers }: Manifest, diffIds: readonly Digest[]): ReadonlyMap<Digest, Descriptor> {
  const found = new Map<Digest, Descriptor>();
  for (const [at, { mediaType, digest, size }] of layers.entries()) {
    const diffId = diffIds[at];
    const kind = layerKind(mediaType);
    if (diffId !== undefined && kind && !kind.foreign) found.set(diffId, { mediaType, digest, size });
  }
  return found;
}
