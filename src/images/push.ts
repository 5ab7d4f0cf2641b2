import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import type { ImageRecord, IndexRecord, Store } from '../store/types.ts';
import { convertedSource } from './convert-source.ts';
import { copyImage, type ImageSource } from './copy.ts';
import type { LentLayers } from './lent-layers.ts';
import { formatLocation, type Location, parseDestination } from './location.ts';
import type { MaterialiseOptions } from './materialise.ts';
import type { ImageFormat, LayerCompression } from './media-types.ts';
import { hostPlatform } from './platform.ts';
import { newImageName, repositoryName } from './reference.ts';
import { copyTars } from './tars.ts';
import type { RegistryOptions } from './transports/registry.ts';
import { resolveSink } from './transports/resolve.ts';
import { storeIndexSource, storeSource } from './transports/store.ts';
import type { Descriptor } from './types.ts';

export interface PushOptions {
  readonly format?: ImageFormat;
  readonly compression?: LayerCompression;
  readonly level?: number;
  /** Compress anew what is compressed in another way. */
  readonly force?: boolean;
  /** Layers of the image that the store lacks. */
  readonly lent?: LentLayers | undefined;
  readonly registry?: RegistryOptions;
  readonly onProgress?: Progress;
}

export interface PushIndexOptions extends PushOptions {
  /** The images go along (true when absent); otherwise they have to be there already. */
  readonly images?: boolean | undefined;
}

export interface Pushed {
  /** Of the manifest that was written; null where the destination keeps none (Docker's archives and engine). */
  readonly digest: Digest | null;
  /** Its type, size and digest. */
  readonly descriptor: Descriptor | null;
}

/**
 * Writes an image of the store to `transport:details`, or to a registry when no transport is named. The manifest's bytes
 * are the pulled ones unless another form is asked for; OCI layouts take the OCI format alone.
 */
export async function pushImage(
  store: Store,
  image: ImageRecord,
  destination: string | Location,
  options: PushOptions = {},
): Promise<Pushed> {
  const location = typeof destination === 'string' ? parseDestination(destination) : destination;
  if (location.transport === 'containers-storage') {
    store.images.tag(image.id, [newImageName(location.name)]);
    return { digest: image.manifest?.digest ?? null, descriptor: image.manifest ?? null };
  }
  const format = options.format ?? formatFor(location);
  await using source = storeSource(
    store,
    image,
    materialiseOptions({ ...options, ...(format && { format }) }),
  );
  return copyOut(store, source, location, options);
}

/** Writes an index of the store, with all images that it names unless told otherwise; bytes and digest are those of the store. */
export async function pushIndex(
  store: Store,
  index: IndexRecord,
  destination: string | Location,
  options: PushIndexOptions = {},
): Promise<Pushed> {
  const location = typeof destination === 'string' ? parseDestination(destination) : destination;
  const format = options.format ?? formatFor(location);
  const own = storeIndexSource(store, index);
  await using source = format ? convertedSource(own, format) : own;
  return copyOut(store, source, location, { ...options, whole: options.images === false ? 'list' : 'all' });
}

/** Readers of OCI layouts do not find manifests of Docker's format in them. */
function formatFor({ transport }: Location): ImageFormat | undefined {
  return transport === 'oci' || transport === 'oci-archive' ? 'oci' : undefined;
}

function materialiseOptions({
  format,
  compression,
  level,
  force,
  lent,
  registry,
  onProgress,
}: PushOptions): MaterialiseOptions {
  return {
    signal: registry?.signal,
    ...(format && { format }),
    ...(compression && { compression }),
    ...(level !== undefined && { level }),
    ...(force !== undefined && { force }),
    ...(lent && { lent }),
    ...(onProgress && { onProgress }),
  };
}

async function copyOut(
  store: Store,
  source: ImageSource,
  location: Location,
  { registry, onProgress = noProgress, whole }: PushOptions & { readonly whole?: 'all' | 'list' },
): Promise<Pushed> {
  const resolved = await resolveSink(location, { store, ...(registry && { registry }) });
  if (resolved.kind === 'tars') {
    await using sink = resolved.sink;
    if (whole)
      throw new BldError('E_UNSUPPORTED', `${formatLocation(location)} takes one image, not an index`);
    await copyTars(source, sink, { onProgress });
    return { digest: null, descriptor: null };
  }
  await using sink = resolved.sink;
  const { root } = await copyImage(source, sink, { select: whole ?? hostPlatform(), onProgress });
  if (location.transport === 'docker' && root.document.kind === 'manifest') {
    const { config, layers } = root.document.manifest;
    const repository = repositoryName(location.reference);
    for (const { digest } of [...layers, config]) store.blobs.addOrigin(digest, repository);
  }
  const { mediaType, digest, bytes } = root.raw;
  return { digest, descriptor: { mediaType, digest, size: bytes.length } };
}
