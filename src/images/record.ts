import { type Digest, parseDigest } from '../base/digest.ts';
import type { ImageRecord, Store } from '../store/types.ts';
import { decodeConfig, decodeManifest } from './decode.ts';
import type { ImageFormat } from './media-types.ts';
import { choosePlatform } from './platform.ts';
import { isImageId, localCandidates } from './reference.ts';
import type { Descriptor, ImageConfig, Platform, StringMap } from './types.ts';

/** What this room keeps in `ImageRecord.data`. */
export interface ImageData {
  /** Of the manifest that the image has, or gets when somebody needs one; OCI when absent. */
  readonly format?: ImageFormat;
  /** For the manifest, when it is made. */
  readonly annotations?: StringMap | undefined;
  /** The index that the image was chosen from when it was pulled. */
  readonly index?: Descriptor;
  /** Where it was pulled from: `docker://docker.io/library/alpine:latest`. */
  readonly source?: string;
}

export function imageData(image: ImageRecord): ImageData {
  return image.data as ImageData;
}

/** The image's configuration. E_INTEGRITY, E_NOT_FOUND when the store is damaged. */
export function imageConfig(store: Store, image: ImageRecord): ImageConfig {
  return decodeConfig(store.blobs.read(image.id), `config of image ${image.id}`);
}

/** The annotations of the image's manifest, or those that it is to get. */
export function manifestAnnotations(store: Store, image: ImageRecord): StringMap {
  if (!image.manifest) {
    const { format, annotations = {} } = imageData(image);
    return format === 'docker' ? {} : annotations;
  }
  const { digest, mediaType } = image.manifest;
  const document = decodeManifest(store.blobs.read(digest), mediaType, `manifest ${digest}`);
  return (document.kind === 'manifest' && document.manifest.annotations) || {};
}

const OF_THE_IMAGE_ITSELF = ['base.digest', 'base.name', 'created'].map(
  (name) => `org.opencontainers.image.${name}`,
);

/** The annotations that an image on top of this one has as well: not those that tell of this one's making. */
export function inheritedAnnotations(store: Store, image: ImageRecord): StringMap {
  const all = Object.entries(manifestAnnotations(store, image));
  return Object.fromEntries(all.filter(([name]) => !OF_THE_IMAGE_ITSELF.includes(name)));
}

/**
 * The image that a person means by this text: a full id, a name (unqualified ones in `localhost/` first), a name or the
 * digest of an index (then its image for `platform`), or the beginning of an id. Null when there is none.
 */
export function findImage(store: Store, text: string, platform: Platform): ImageRecord | null {
  if (text.startsWith('sha256:') || (isImageId(text) && text.length === 64)) {
    const digest = parseDigest(text.startsWith('sha256:') ? text : `sha256:${text}`);
    return store.images.find(text) ?? imageOfManifest(store, digest) ?? imageOfIndex(store, digest, platform);
  }
  for (const name of candidates(text)) {
    const image = store.images.find(name) ?? imageOfIndex(store, name, platform);
    if (image) return image;
  }
  return isImageId(text) ? store.images.find(text) : null;
}

/** An id may be no valid name, and is looked for all the same. */
function candidates(text: string): readonly string[] {
  try {
    return localCandidates(text);
  } catch (error) {
    if (isImageId(text)) return [];
    throw error;
  }
}

function imageOfIndex(store: Store, name: string, platform: Platform): ImageRecord | null {
  const record = store.images.findIndex(name);
  if (!record) return null;
  const document = decodeManifest(store.blobs.read(record.digest), record.mediaType, `index ${name}`);
  if (document.kind !== 'index') return null;
  return imageOfManifest(store, choosePlatform(document.index.manifests, platform, name).digest);
}

/** The image that a manifest describes: of several manifests of one image a list may name an older one. */
export function imageOfManifest(store: Store, digest: Digest): ImageRecord | null {
  const image = store.images.find(digest);
  if (image) return image;
  const kept = store.images.findIndex(digest);
  if (!kept) return null;
  const document = decodeManifest(store.blobs.read(digest), kept.mediaType, `manifest ${digest}`);
  return document.kind === 'manifest' ? store.images.get(document.manifest.config.digest) : null;
}
