import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { type Json, parseJson } from './json.ts';
import { DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from './media-types.ts';
import {
  configSchema,
  type EmbeddingDescriptor,
  type ImageConfig,
  type Index,
  indexSchema,
  type Manifest,
  manifestSchema,
  problemOf,
} from './types.ts';
import { verifyBytes } from './verify.ts';

/** A manifest or index exactly as it came: its bytes are what its digest names, and are passed on unchanged. */
export interface RawManifest {
  /** Without parameters. */
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly digest: Digest;
}

export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: Index };

type Members = { [key: string]: Json };

const MANIFEST_KEYS = [
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
];
const DESCRIPTOR_KEYS = ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform'];
const CONFIG_KEYS = ['architecture', 'os', 'config', 'rootfs', 'history', 'created', 'author', 'variant'];
/** What servers say of a body that they know nothing about. */
const VAGUE_TYPES = ['', 'application/json', 'application/octet-stream', 'text/plain', 'text/html'];

/**
 * Reads a manifest or index: strict JSON, one kind and not two at once, `contentType` (of HTTP, or of the descriptor
 * that led here) equal to the document's own `mediaType`, embedded data equal to its digest. E_INTEGRITY; E_UNSUPPORTED
 * for Docker's schema 1 and for types that are neither.
 */
export function decodeManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  what: string,
): ManifestDocument {
  const said = bareType(contentType);
  refuseSchema1(said, what);
  const document = membersOf(parseJson(bytes, what), what);
  exactKeys(document, MANIFEST_KEYS, what);
  if (document.schemaVersion === 1)
    refuseSchema1('application/vnd.docker.distribution.manifest.v1+json', what);
  const own = typeof document.mediaType === 'string' ? document.mediaType : undefined;
  if (own !== undefined && said !== undefined && own !== said) {
    throw new BldError('E_INTEGRITY', `${what} was sent as ${said} but calls itself ${own}`);
  }
  const isIndex = 'manifests' in document;
  if (isIndex && ('layers' in document || 'config' in document)) {
    throw new BldError('E_INTEGRITY', `${what} claims to be an index and an image at once`);
  }
  const mediaType = own ?? said ?? guessedType(document);
  if (isIndex !== indexOrManifest(mediaType, what)) {
    throw new BldError(
      'E_INTEGRITY',
      `${what} is of type ${mediaType} but holds ${isIndex ? 'manifests' : 'layers'}`,
    );
  }
  dropNulls(document);
  if (isIndex) {
    document.manifests ??= [];
    tidyDescriptors(document.manifests, what);
    const index = checked<Index>(indexSchema, document, what);
    checkEmbedded(index.manifests, what);
    return { kind: 'index', mediaType, index };
  }
  document.layers ??= [];
  tidyDescriptors([document.config ?? null], what);
  tidyDescriptors(document.layers, what);
  const manifest = checked<Manifest>(manifestSchema, document, what);
  checkEmbedded([manifest.config, ...manifest.layers], what);
  return { kind: 'manifest', mediaType, manifest };
}

/** The raw form and the document of bytes whose digest nobody knows better. */
export function rawManifest(bytes: Buffer, mediaType: string): RawManifest {
  return { mediaType, bytes, digest: digestOf(bytes) };
}

/** Reads an image configuration: `null` members are absent ones, a missing platform reads as ''. E_INTEGRITY. */
export function decodeConfig(bytes: Uint8Array, what: string): ImageConfig {
  const document = membersOf(parseJson(bytes, what), what);
  exactKeys(document, CONFIG_KEYS, what);
  dropNulls(document);
  document.architecture ??= '';
  document.os ??= '';
  const { config, rootfs, history } = document;
  if (isMembers(config)) {
    dropNulls(config);
    for (const set of [config.ExposedPorts, config.Volumes]) {
      if (isMembers(set)) for (const [key, value] of Object.entries(set)) set[key] = value ?? {};
    }
    if (isMembers(config.Healthcheck)) dropNulls(config.Healthcheck);
  }
  if (isMembers(rootfs)) rootfs.diff_ids ??= [];
  if (Array.isArray(history)) history.filter(isMembers).forEach(dropNulls);
  return checked<ImageConfig>(configSchema, document, what);
}

/** The media type without parameters, lower case; undefined when it says nothing (distribution-spec, "Pulling manifests"). */
export function bareType(contentType: string | undefined): string | undefined {
  const bare = (contentType ?? '').split(';', 1).join('').trim().toLowerCase();
  return VAGUE_TYPES.includes(bare) ? undefined : bare;
}

function checked<Document>(
  schema: Parameters<typeof problemOf>[0],
  document: Members,
  what: string,
): Document {
  const problem = problemOf(schema, document);
  if (problem !== undefined) throw new BldError('E_INTEGRITY', `${what}: ${problem}`);
  // the schemas transform nothing: what they accept is of their type, and keeps the fields they do not name
  return document as Document;
}

function isMembers(value: Json | undefined): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function membersOf(value: Json, what: string): Members {
  if (isMembers(value)) return value;
  throw new BldError('E_INTEGRITY', `${what} is not a JSON object`);
}

function dropNulls(object: Members): void {
  for (const [key, value] of Object.entries(object)) if (value === null) delete object[key];
}

/** Some readers take `Layers` for `layers`: a document that two readers could read differently is refused. */
function exactKeys(object: Members, known: readonly string[], what: string): void {
  const folded = new Map(known.map((key) => [key.toLowerCase(), key]));
  for (const key of Object.keys(object)) {
    const right = folded.get(key.toLowerCase());
    if (right !== undefined && right !== key) {
      throw new BldError('E_INTEGRITY', `${what}: the key ${JSON.stringify(key)} must be written ${right}`);
    }
  }
}

function tidyDescriptors(descriptors: Json, what: string): void {
  if (!Array.isArray(descriptors)) return;
  for (const descriptor of descriptors) {
    if (!isMembers(descriptor)) continue;
    exactKeys(descriptor, DESCRIPTOR_KEYS, what);
    dropNulls(descriptor);
    if (isMembers(descriptor.platform)) dropNulls(descriptor.platform);
  }
}

/** A descriptor may carry its content: another reader would use that, so it must be what the digest says. */
function checkEmbedded(descriptors: readonly EmbeddingDescriptor[], what: string): void {
  for (const { data, digest, size } of descriptors) {
    if (data === undefined) continue;
    verifyBytes(Buffer.from(data, 'base64'), { digest, size }, `${what}: data embedded for ${digest}`);
  }
}

function guessedType(document: Members): string {
  const config = isMembers(document.config) ? document.config.mediaType : undefined;
  if (!('manifests' in document)) return config === DOCKER_CONFIG ? DOCKER_MANIFEST : OCI_MANIFEST;
  return OCI_INDEX;
}

function indexOrManifest(mediaType: string, what: string): boolean {
  if (mediaType === OCI_INDEX || mediaType === DOCKER_LIST) return true;
  if (mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST) return false;
  throw new BldError('E_UNSUPPORTED', `${what} is of type ${mediaType}: neither an image nor an index`);
}

function refuseSchema1(mediaType: string | undefined, what: string): void {
  if (
    mediaType === undefined ||
    !/^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/.test(mediaType)
  ) {
    return;
  }
  throw new BldError('E_UNSUPPORTED', `${what} is an image of Docker's schema 1, which is no longer read`, {
    hint: 'push the image again with a current tool: schema 1 ended in 2017',
  });
}
