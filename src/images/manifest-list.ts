import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { encodeManifest } from './build-image.ts';
import { withKey } from './config.ts';
import type { RawManifest } from './decode.ts';
import { DOCKER_MANIFEST, type ImageFormat, indexType } from './media-types.ts';
import { formatPlatform, normalisePlatform } from './platform.ts';
import type { Descriptor, Index, Platform, StringMap } from './types.ts';

/** An index without images. */
export function emptyIndex(): Index {
  return { schemaVersion: 2, manifests: [] };
}

/** The index with the image in it; an entry of the same digest is replaced where it stood. */
export function addToIndex(index: Index, entry: Descriptor): Index {
  const at = index.manifests.findIndex(({ digest }) => digest === entry.digest);
  const manifests = at < 0 ? [...index.manifests, entry] : index.manifests.with(at, entry);
  return { ...index, manifests };
}

function entryOf(index: Index, digest: Digest): Descriptor {
  const entry = index.manifests.find((other) => other.digest === digest);
  if (entry) return entry;
  const offered = index.manifests.map((other) => other.digest);
  throw new BldError('E_NOT_FOUND', `the index has no manifest ${digest}`, {
    hint: offered.length === 0 ? 'it is empty' : `it has ${offered.join(', ')}`,
  });
}

/** E_NOT_FOUND when the index does not name it. */
export function removeFromIndex(index: Index, digest: Digest): Index {
  const gone = entryOf(index, digest);
  return { ...index, manifests: index.manifests.filter(({ digest: other }) => other !== gone.digest) };
}

export interface EntryChange {
  readonly platform?: Partial<Platform>;
  /** Added to those that the entry has. */
  readonly annotations?: StringMap;
}

/** The index with another description of one of its images. E_NOT_FOUND. */
export function annotateEntry(index: Index, digest: Digest, { platform, annotations }: EntryChange): Index {
  const entry = entryOf(index, digest);
  const described =
    platform && normalisePlatform({ os: '', architecture: '', ...entry.platform, ...platform });
  return addToIndex(index, {
    ...entry,
    ...(described && { platform: described }),
    ...(annotations && { annotations: merged(entry.annotations, annotations) }),
  });
}

/** The index with more annotations of its own. */
export function annotateIndex(index: Index, annotations: StringMap): Index {
  return { ...index, annotations: merged(index.annotations, annotations) };
}

function merged(map: StringMap | undefined, more: StringMap): StringMap {
  return Object.entries(more).reduce(
    (all, [key, value]) => withKey(all, key, value),
    withKey(map, '', undefined),
  );
}

/** OCI, unless every image is of Docker's format and nothing of the index needs more. */
export function indexFormat(index: Index): ImageFormat {
  const plain =
    index.annotations === undefined && index.manifests.every((entry) => entry.annotations === undefined);
  return plain && index.manifests.every(({ mediaType }) => mediaType === DOCKER_MANIFEST) ? 'docker' : 'oci';
}

/** The index's bytes. */
export function encodeIndex(index: Index, format: ImageFormat = indexFormat(index)): RawManifest {
  return encodeManifest(index, indexType(format));
}

/** Platforms that more than one image of the index is for: readers would take either. */
export function ambiguousPlatforms(index: Index): readonly string[] {
  const named = index.manifests.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []));
  return [...new Set(named.filter((platform, at) => named.indexOf(platform) !== at))];
}
