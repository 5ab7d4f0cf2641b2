import { encodeManifest, layerAs } from './build-image.ts';
import type { RawManifest } from './decode.ts';
import {
  configType,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  type ImageFormat,
  indexType,
  manifestType,
} from './media-types.ts';
import type { Descriptor, Index, Manifest } from './types.ts';

/** Which of the two families a manifest's or an index's media type belongs to. */
export function formatOf(mediaType: string): ImageFormat {
  return mediaType === DOCKER_MANIFEST || mediaType === DOCKER_LIST ? 'docker' : 'oci';
}

/**
 * The image in the other format: the same configuration and layer bytes under other media types. Docker's format has no
 * annotations, so they are lost there; E_UNSUPPORTED where it has no type for a layer (zstd).
 */
export function convertManifest(manifest: Manifest, format: ImageFormat): RawManifest {
  const { digest, size } = manifest.config;
  const converted: Manifest = {
    schemaVersion: 2,
    config: { mediaType: configType(format), digest, size },
    layers: manifest.layers.map((layer) => layerAs(layer, format)),
    ...(format === 'oci' && manifest.annotations && { annotations: manifest.annotations }),
  };
  return encodeManifest(converted, manifestType(format));
}

/** The index in the other format, over children that were converted before (old digest → new manifest). */
export function convertIndex(
  index: Index,
  format: ImageFormat,
  children: ReadonlyMap<string, RawManifest>,
): RawManifest {
  const manifests = index.manifests.map((entry): Descriptor => {
    const child = children.get(entry.digest);
    const { platform, annotations } = entry;
    return {
      mediaType: child?.mediaType ?? entry.mediaType,
      digest: child?.digest ?? entry.digest,
      size: child?.bytes.length ?? entry.size,
      ...(platform && { platform }),
      ...(format === 'oci' && annotations && { annotations }),
    };
  });
  const { annotations } = index;
  const converted: Index = {
    schemaVersion: 2,
    manifests,
    ...(format === 'oci' && annotations && { annotations }),
  };
  return encodeManifest(converted, indexType(format));
}
