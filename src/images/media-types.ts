/** The two families of documents that say the same. */
export type ImageFormat = 'oci' | 'docker';
export type LayerCompression = 'none' | 'gzip' | 'zstd';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';

/** What a client asks registries for. */
export const MANIFEST_TYPES: readonly string[] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

export const manifestType = (format: ImageFormat) => (format === 'oci' ? OCI_MANIFEST : DOCKER_MANIFEST);
export const indexType = (format: ImageFormat) => (format === 'oci' ? OCI_INDEX : DOCKER_LIST);
export const isIndexType = (mediaType: string) => mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
export const configType = (format: ImageFormat) => (format === 'oci' ? OCI_CONFIG : DOCKER_CONFIG);

export interface LayerKind {
  readonly format: ImageFormat;
  readonly compression: LayerCompression;
  /** "Non-distributable": its bytes come from `urls`, not from the registry. */
  readonly foreign: boolean;
}

const LAYERS: readonly (readonly [mediaType: string, kind: LayerKind])[] = [
  ['application/vnd.oci.image.layer.v1.tar', { format: 'oci', compression: 'none', foreign: false }],
  ['application/vnd.oci.image.layer.v1.tar+gzip', { format: 'oci', compression: 'gzip', foreign: false }],
  ['application/vnd.oci.image.layer.v1.tar+zstd', { format: 'oci', compression: 'zstd', foreign: false }],
  [
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
    { format: 'oci', compression: 'none', foreign: true },
  ],
  [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    { format: 'oci', compression: 'gzip', foreign: true },
  ],
  [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
    { format: 'oci', compression: 'zstd', foreign: true },
  ],
  ['application/vnd.docker.image.rootfs.diff.tar', { format: 'docker', compression: 'none', foreign: false }],
  [
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
    { format: 'docker', compression: 'gzip', foreign: false },
  ],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
    { format: 'docker', compression: 'none', foreign: true },
  ],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    { format: 'docker', compression: 'gzip', foreign: true },
  ],
];
const BY_TYPE = new Map(LAYERS);

/** What the media type of a layer says; undefined for types that are no layers of files. */
export function layerKind(mediaType: string): LayerKind | undefined {
  return BY_TYPE.get(mediaType);
}

/** The media type of such a layer; undefined where the format has none (zstd in Docker's). */
export function layerType(kind: LayerKind): string | undefined {
  return LAYERS.find(
    ([, other]) =>
      other.format === kind.format &&
      other.compression === kind.compression &&
      other.foreign === kind.foreign,
  )?.[0];
}
