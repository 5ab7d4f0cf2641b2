import type { Readable } from 'node:stream';
import type { Digest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import type { ImageRecord, IndexRecord, LayerRef, Store } from '../../store/types.ts';
import { createdOf, diffIdsFor } from '../config.ts';
import { formatOf } from '../convert.ts';
import type { ImageSink, ImageSource, ManifestNode } from '../copy.ts';
import { decodeConfig, decodeManifest, type RawManifest } from '../decode.ts';
import {
  type Materialised,
  type MaterialiseOptions,
  materialise,
  placeOf,
  plainLayers,
} from '../materialise.ts';
import { DOCKER_CONFIG, OCI_CONFIG } from '../media-types.ts';
import type { ImageData } from '../record.ts';
import type { Descriptor, Manifest } from '../types.ts';

/** An image of the store. Its layers are packed and compressed when the manifest is first asked for. */
export function storeSource(store: Store, image: ImageRecord, options: MaterialiseOptions = {}): ImageSource {
  const { lent } = options;
  const label = `containers-storage:${image.names[0] ?? image.id}`;
  let made: Promise<Materialised> | undefined;
  return {
    label,
    async manifest(digest) {
      made ??= materialise(store, image, options);
      const { manifest } = await made;
      if (digest === undefined || digest === manifest.digest) return manifest;
      throw new BldError('E_NOT_FOUND', `${label} has no manifest ${digest}`);
    },
    async open(blob, offset) {
      if (lent && !store.blobs.has(blob.digest)) return lent.open(blob, offset);
      return store.blobs.open(blob.digest, offset);
    },
    origins: (digest) => [...store.blobs.origins(digest), ...(lent?.origins(digest) ?? [])],
    async tars() {
      return {
        config: store.blobs.read(image.id),
        layers: image.layers.flatMap((_, at) => plainLayers(store, placeOf(image, at)).slice(0, 1)),
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** An index of the store, with all the images that it names. */
export function storeIndexSource(store: Store, index: IndexRecord): ImageSource {
  const label = `containers-storage:${index.names[0] ?? index.digest}`;
  return {
    label,
    async manifest(digest = index.digest): Promise<RawManifest> {
      const bytes = store.blobs.read(digest);
      const { mediaType } = decodeManifest(bytes, undefined, `${label}: manifest ${digest}`);
      return { mediaType: digest === index.digest ? index.mediaType : mediaType, bytes, digest };
    },
    open: async (blob, offset) => store.blobs.open(blob.digest, offset),
    origins: (digest) => store.blobs.origins(digest),
    async [Symbol.asyncDispose]() {},
  };
}

export interface StoreSinkOptions {
  /** Canonical names for the image, or the index. */
  readonly names: readonly string[];
  readonly data?: ImageData;
  /** No image for lists: another's by-product. */
  readonly intermediate?: boolean;
  /** `host/repository` that the blobs come from. */
  readonly origin?: string;
  /** The source made its manifest up: it is not worth keeping. */
  readonly withoutManifest?: boolean;
}

export interface StoreSink extends ImageSink {
  /** What `commit` added; null before it, and when it added an index. */
  readonly image: () => ImageRecord | null;
}

/** Takes images into the store: the blobs as they come; unpacking waits until somebody reads files. */
export function storeSink(
  store: Store,
  { names, data, origin, intermediate = false, withoutManifest = false }: StoreSinkOptions,
): StoreSink {
  const label = `containers-storage:${names[0] ?? ''}`;
  let image: ImageRecord | null = null;

  async function add({ raw }: ManifestNode, manifest: Manifest, how: Addition): Promise<ImageRecord> {
    const { config, layers } = manifest;
    if (config.mediaType !== OCI_CONFIG && config.mediaType !== DOCKER_CONFIG) {
      const kind = manifest.artifactType ?? config.mediaType;
      throw new BldError(
        'E_UNSUPPORTED',
        `${raw.digest} is no container image but an artifact of type ${kind}`,
      );
    }
    const bytes = store.blobs.read(config.digest);
    const what = `config ${config.digest}`;
    const document = decodeConfig(bytes, what);
    const diffIds = diffIdsFor(document, layers.length, `manifest ${raw.digest}`);
    const refs = diffIds.map((diffId, index): LayerRef => {
      const blob = layers[index];
      if (blob && store.blobs.has(blob.digest)) return { diffId, blob };
      throw new BldError(
        'E_UNSUPPORTED',
        `the layer ${blob?.digest} lies elsewhere (${blob?.urls?.[0]}) and is not fetched`,
      );
    });
    if (origin !== undefined)
      for (const { digest } of [...layers, config]) store.blobs.addOrigin(digest, origin);
    return store.images.add({
      config: bytes,
      ...(!withoutManifest && { manifest: { mediaType: raw.mediaType, bytes: raw.bytes } }),
      layers: refs,
      names: how.names,
      created: createdOf(document),
      intermediate: how.child,
      data: {
        ...data,
        format: formatOf(raw.mediaType),
        // those of a build of the same image are another manifest's
        annotations: undefined,
        ...(how.index && { index: describe(how.index) }),
      },
    });
  }

  return {
    label,
    verifies: true,
    image: () => image,
    async has({ digest, size }) {
      const have = store.blobs.size(digest);
      if (have === null) return false;
      if (have !== size) {
        throw new BldError('E_INTEGRITY', `the manifest gives ${digest} ${size} bytes; it has ${have}`);
      }
      return pinned(store, digest, size);
    },
    put: ({ descriptor, open, onBytes }) => store.blobs.ingest(descriptor, open, onBytes),
    async putManifest(node) {
      const { raw, document } = node;
      if (document.kind === 'manifest') await add(node, document.manifest, { names: [], child: true });
      // kept for the list's sake: an image has one manifest, and lists may name several of it
      await store.images.addIndex(raw.mediaType, raw.bytes, []);
    },
    async commit(root, index) {
      const { raw, document } = root;
      if (document.kind === 'index') await store.images.addIndex(raw.mediaType, raw.bytes, names);
      else image = await add(root, document.manifest, { names, child: intermediate, index });
    },
    async [Symbol.asyncDispose]() {},
  };
}

interface Addition {
  readonly names: readonly string[];
  /** Of an index that is kept as a whole: no image of its own in lists. */
  readonly child: boolean;
  readonly index?: RawManifest | undefined;
}

function describe({ mediaType, digest, bytes }: RawManifest): Descriptor {
  return { mediaType, digest, size: bytes.length };
}

/** True when the blob is there and stays until this process ends; false when it went just now. */
async function pinned(store: Store, digest: Digest, size: number): Promise<boolean> {
  const gone = new Error('internal: the blob is gone');
  const open = (): Promise<Readable> => Promise.reject(gone);
  try {
    // taking in what is there already opens nothing
    await store.blobs.ingest({ mediaType: 'application/octet-stream', digest, size }, open);
    return true;
  } catch (error) {
    if (error === gone) return false;
    throw error;
  }
}
