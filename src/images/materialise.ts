import { Readable } from 'node:stream';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { mapPool } from '../base/pool.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import { verifying } from '../base/streams.ts';
import { compressor } from '../layers/compress.ts';
import type { ImageRecord, LayerRef, Store } from '../store/types.ts';
import { buildImage, layerAs } from './build-image.ts';
import { convertManifest, formatOf } from './convert.ts';
import { decodeManifest, type RawManifest } from './decode.ts';
import { isDamage, unpacksTo } from './layer-proof.ts';
import type { LentLayers } from './lent-layers.ts';
import { type ImageFormat, type LayerCompression, layerKind, layerType } from './media-types.ts';
import { packedTar } from './packed-tar.ts';
import { imageData } from './record.ts';
import { type TarLayer, tarLayer } from './tars.ts';
import type { Descriptor, Manifest } from './types.ts';

export interface MaterialiseOptions {
  /** The image's own when absent. */
  readonly format?: ImageFormat;
  /** For layers that have no compressed bytes yet; gzip when absent. */
  readonly compression?: LayerCompression;
  readonly level?: number;
  /** Also layers that are compressed in another way get `compression`. */
  readonly force?: boolean;
  /** Layers that the store need not have: their bytes are used where they are. */
  readonly lent?: LentLayers | undefined;
  /** Stops compressing. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress;
}

export interface Materialised {
  readonly manifest: RawManifest;
  readonly layers: readonly LayerRef[];
}

/** Layers compressed at once: one compressor keeps the processors busy, the second fills its pauses. */
const AT_ONCE = 2;

/**
 * The image's manifest in the wanted form, with the bytes of all its layers in the store. What was pulled or made
 * before is used as it is; only layers without suitable bytes are packed and compressed, once for all times. When that
 * form is the image's own, the manifest is kept with it. E_INTEGRITY when a layer's files changed since it was made.
 */
export async function materialise(
  store: Store,
  image: ImageRecord,
  options: MaterialiseOptions = {},
): Promise<Materialised> {
  const own = ownManifest(store, image);
  const data = imageData(image);
  const ownFormat = own ? formatOf(own.raw.mediaType) : (data.format ?? 'oci');
  const wanted: Wanted = {
    ...wantedOf(options, options.format ?? ownFormat),
    keepPlain: own !== null && options.compression === undefined,
  };
  const layers = await mapPool(image.layers, AT_ONCE, (_, at) =>
    suitableLayer(store, placeOf(image, at), wanted),
  );
  const blobs = layers.map(blobOf);
  if (own?.manifest.layers.every((layer, index) => layer.digest === blobs[index]?.digest)) {
    const manifest = wanted.format === ownFormat ? own.raw : convertManifest(own.manifest, wanted.format);
    return { manifest, layers };
  }
  const annotations = own?.manifest.annotations ?? data.annotations;
  const { manifest } = buildImage({
    config: store.blobs.read(image.id),
    layers: blobs,
    format: wanted.format,
    ...(annotations && { annotations }),
  });
  const isDefault = own === null && wanted.format === ownFormat && store.images.get(image.id) !== null;
  if (isDefault) {
    const kept = layers.map((layer) => ({ ...layer, blob: layerAs(blobOf(layer), wanted.format) }));
    await store.images.setManifest(image.id, manifest, kept);
  }
  return { manifest, layers };
}

/** The layer's bytes as the options want them, made when there are none; `below` is the layer under it, where known. */
export async function layerBlob(
  store: Store,
  place: Place,
  options: Omit<MaterialiseOptions, 'format'> = {},
): Promise<Descriptor> {
  const wanted = { ...wantedOf(options, 'oci'), keepPlain: options.compression === undefined };
  return blobOf(await suitableLayer(store, place, wanted));
}

function wantedOf(options: MaterialiseOptions, format: ImageFormat): Omit<Wanted, 'keepPlain'> {
  return {
    format,
    compression: options.compression ?? 'gzip',
    force: options.force ?? false,
    level: options.level,
    lent: options.lent,
    signal: options.signal,
    onProgress: options.onProgress ?? noProgress,
  };
}

interface Wanted {
  readonly format: ImageFormat;
  readonly compression: LayerCompression;
  readonly force: boolean;
  /** The image came with uncompressed layers, and nobody asked for others. */
  readonly keepPlain: boolean;
  readonly level: number | undefined;
  readonly lent: LentLayers | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: Progress;
}

type Blobbed = LayerRef & { readonly blob: Descriptor };

function blobOf(layer: Blobbed): Descriptor {
  return layer.blob;
}

function ownManifest(store: Store, image: ImageRecord): { raw: RawManifest; manifest: Manifest } | null {
  if (!image.manifest) return null;
  const { digest, mediaType } = image.manifest;
  const bytes = store.blobs.read(digest);
  const document = decodeManifest(bytes, mediaType, `manifest ${digest}`);
  if (document.kind !== 'manifest') throw new Error('internal: the manifest of an image is an index');
  if (isStale(image, mediaType, document.manifest)) return null;
  return { raw: { mediaType, bytes, digest }, manifest: document.manifest };
}

/** True when the image was built again since, with another format or other annotations around the same configuration. */
function isStale(image: ImageRecord, mediaType: string, manifest: Manifest): boolean {
  const { format = 'oci', annotations } = imageData(image);
  if (annotations === undefined) return false;
  if (formatOf(mediaType) !== format) return true;
  const sorted = (map: object) => JSON.stringify(Object.entries(map).sort());
  return format === 'oci' && sorted(manifest.annotations ?? {}) !== sorted(annotations);
}

function compressionOf(blob: Descriptor): LayerCompression | undefined {
  return layerKind(blob.mediaType)?.compression;
}

/** True when the blob can be used without making another. */
function isSuitable(blob: Descriptor, { format, compression, force, keepPlain }: Wanted): boolean {
  const has = compressionOf(blob);
  // bytes of a kind that bld does not know cannot be made into others
  if (has === compression || has === undefined) return true;
  if (force) return false;
  if (has === 'none') return keepPlain;
  return !(format === 'docker' && has === 'zstd');
}

async function suitableLayer(store: Store, place: Place, wanted: Wanted): Promise<Blobbed> {
  const { diffId, blob, size } = place.layer;
  const known = size === undefined ? {} : { size };
  if (blob && store.blobs.has(blob.digest) && isSuitable(blob, wanted)) return { diffId, blob, ...known };
  // what was borrowed is given on as it is
  if (blob && wanted.lent?.blob(diffId)?.digest === blob.digest && isSuitable(blob, wanted)) {
    return { diffId, blob, ...known };
  }
  if (wanted.format === 'docker' && wanted.compression === 'zstd') {
    throw new BldError('E_UNSUPPORTED', "Docker's image format has no zstd layers", {
      hint: 'choose --format oci',
    });
  }
  for (const candidate of store.layers.blobs(diffId)) {
    if (isSuitable(candidate, wanted) && (await unpacksTo(store, candidate, diffId))) {
      return { diffId, blob: candidate, ...known };
    }
  }
  const lent = store.layers.path(diffId) === null ? wanted.lent?.blob(diffId) : null;
  if (lent && isSuitable(lent, wanted)) return { diffId, blob: lent, ...known };
  if (lent) await wanted.lent?.fetch(diffId);
  return { diffId, blob: await compressLayer(store, place, wanted), ...known };
}

/** Compresses the layer's tar into the store's blobs. */
async function compressLayer(store: Store, place: Place, wanted: Wanted): Promise<Descriptor> {
  const { diffId: id, size: total } = place.layer;
  const { compression, level, signal, onProgress } = wanted;
  const mediaType = layerType({ format: 'oci', compression, foreign: false });
  if (mediaType === undefined) throw new Error(`internal: no media type for ${compression}`);
  onProgress({ kind: 'start', id, label: `Compressing layer ${id}`, ...(total !== undefined && { total }) });
  const compress = compressor(compression, level === undefined ? {} : { level });
  const { digest, size } = await firstRight(plainLayers(store, place), (plain) =>
    store.blobs.ingestUnknown(async () => {
      const tar = told(await plain.open(), { id, onProgress, signal });
      return Readable.from(compress(tar), { objectMode: false });
    }),
  );
  onProgress({ kind: 'end', id });
  const blob: Descriptor = { mediaType, digest, size };
  store.layers.addBlob(id, blob);
  store.layers.prove(id, digest);
  return blob;
}

/** What `work` makes of the first layer that turns out to be what its diffID says. */
async function firstRight<T>(layers: readonly TarLayer[], work: (layer: TarLayer) => Promise<T>): Promise<T> {
  const [first, ...others] = layers;
  if (!first) throw new Error('internal: no way to a layer');
  try {
    return await work(first);
  } catch (error) {
    if (others.length === 0 || !isDamage(error)) throw error;
    return firstRight(others, work);
  }
}

async function* told(
  source: Readable,
  { id, onProgress, signal }: Pick<Wanted, 'onProgress' | 'signal'> & { readonly id: string },
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    signal?.throwIfAborted();
    onProgress({ kind: 'advance', id, bytes: (chunk as Buffer).length });
    yield chunk as Buffer;
  }
}

/** A layer, and the one that it stands on: its root directory is told where it differs from that one's. */
export interface Place {
  readonly layer: LayerRef;
  readonly below?: Digest | undefined;
}

/** One layer of an image, counted from the bottom. */
export function placeOf(image: ImageRecord, at: number): Place {
  const layer = image.layers[at];
  if (!layer) throw new Error(`internal: image ${image.id} has no layer ${at}`);
  return { layer, below: image.layers[at - 1]?.diffId };
}

/**
 * The ways to the layer's plain tar, best first, one at least: out of its blob when there is one (bytes that came from
 * elsewhere cannot be made again), packed from its files, out of what is said to be another image's same layer.
 */
export function plainLayers(store: Store, place: Place): readonly TarLayer[] {
  const { layer, below } = place;
  const { diffId, blob, size } = layer;
  const source = {
    open: async (from: Descriptor, offset: number) => store.blobs.open(from.digest, offset),
  };
  if (blob && store.blobs.has(blob.digest)) {
    const plainSize = compressionOf(blob) === 'none' ? blob.size : size;
    return [tarLayer(diffId, plainSize, blob, source)];
  }
  const files = [packed(store, layer, below), ...(below ? [packed(store, layer, undefined)] : [])];
  const others = store.layers.blobs(diffId).map((other) => tarLayer(diffId, size, other, source));
  return store.layers.path(diffId) === null && others.length > 0 ? others : [...files, ...others];
}

/** The layer's files as a tar; refused at its end when they give another than its diffID. */
function packed(store: Store, { diffId, size }: LayerRef, below: Digest | undefined): TarLayer {
  const what = `layer ${diffId}, packed again from its files`;
  const open = async () =>
    Readable.from(verifying(packedTar(store, diffId, below), { digest: diffId }, what), {
      objectMode: false,
    });
  return { diffId, size, open };
}
