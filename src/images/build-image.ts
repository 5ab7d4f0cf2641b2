import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { encodeConfig } from './config.ts';
import { type RawManifest, rawManifest } from './decode.ts';
import { encodeJson, type KeyOrder } from './json.ts';
import { configType, type ImageFormat, layerKind, layerType, manifestType } from './media-types.ts';
import type { Descriptor, ImageConfig, Index, Manifest, StringMap } from './types.ts';

const PLATFORM_ORDER: KeyOrder = {
  architecture: null,
  os: null,
  'os.version': null,
  'os.features': null,
  variant: null,
};
const DESCRIPTOR_ORDER: KeyOrder = {
  mediaType: null,
  digest: null,
  size: null,
  urls: null,
  annotations: null,
  data: null,
  platform: PLATFORM_ORDER,
  artifactType: null,
};
const MANIFEST_ORDER: KeyOrder = {
  schemaVersion: null,
  mediaType: null,
  artifactType: null,
  config: DESCRIPTOR_ORDER,
  layers: DESCRIPTOR_ORDER,
  manifests: DESCRIPTOR_ORDER,
  subject: DESCRIPTOR_ORDER,
  annotations: null,
};

/** The document's bytes and digest; its `mediaType` is always written (some registries refuse a manifest without). */
export function encodeManifest(document: Manifest | Index, mediaType: string): RawManifest {
  return rawManifest(encodeJson({ ...document, mediaType }, MANIFEST_ORDER), mediaType);
}

export interface ImageParts {
  /** Its bytes, or what to make them of. */
  readonly config: ImageConfig | Buffer;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly format: ImageFormat;
  /** Of the manifest; Docker's format has none, so there they are left out. */
  readonly annotations?: StringMap;
}

export interface BuiltImage {
  readonly config: { readonly mediaType: string; readonly bytes: Buffer; readonly digest: Digest };
  readonly manifest: RawManifest;
}

/** Manifest and configuration of an image, the same bytes for the same parts. E_UNSUPPORTED: zstd in Docker's format. */
export function buildImage({ config, layers, format, annotations }: ImageParts): BuiltImage {
  const bytes = Buffer.isBuffer(config) ? config : encodeConfig(config);
  const built = { mediaType: configType(format), bytes, digest: digestOf(bytes) };
  const manifest: Manifest = {
    schemaVersion: 2,
    config: { mediaType: built.mediaType, digest: built.digest, size: bytes.length },
    layers: layers.map((layer) => layerAs(layer, format)),
    ...(format === 'oci' && annotations && Object.keys(annotations).length > 0 && { annotations }),
  };
  return { config: built, manifest: encodeManifest(manifest, manifestType(format)) };
}

/** The descriptor with the format's media type for the same bytes. */
export function layerAs(layer: Descriptor, format: ImageFormat): Descriptor {
  const kind = layerKind(layer.mediaType);
  if (kind === undefined) {
    throw new BldError('E_UNSUPPORTED', `a layer of type ${layer.mediaType} has no place in an image`);
  }
  const mediaType = layerType({ ...kind, format });
  if (mediaType === undefined) {
    throw new BldError('E_UNSUPPORTED', `Docker's image format has no ${kind.compression} layers`, {
      hint: 'choose --format oci, or --compression-format gzip --force-compression',
    });
  }
  const { digest, size, urls, annotations } = layer;
  return {
    mediaType,
    digest,
    size,
    ...(urls && urls.length > 0 && { urls }),
    ...(format === 'oci' && annotations && { annotations }),
  };
}
