import type { Readable } from 'node:stream';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { mapPool } from '../base/pool.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import { verified } from '../base/streams.ts';
import { copyError, reading, sided, writing } from './copy-error.ts';
import { decodeManifest, type ManifestDocument, type RawManifest } from './decode.ts';
import { DOCKER_CONFIG, layerKind, MANIFEST_TYPES, OCI_CONFIG } from './media-types.ts';
import { choosePlatform, hostPlatform } from './platform.ts';
import type { TarImage } from './tars.ts';
import type { Descriptor, Platform } from './types.ts';
import { verifyBytes } from './verify.ts';

/** Where an image is read from. Its streams are not verified: `copyImage` and the sinks see to that. */
export interface ImageSource extends AsyncDisposable {
  /** For messages: `docker://docker.io/library/alpine:latest`. */
  readonly label: string;
  /** The manifest or index of this digest; without one, that which the location names. E_NOT_FOUND. */
  manifest(digest?: Digest): Promise<RawManifest>;
  /** The blob's bytes from `offset` on. Whoever opens, reads to the end or destroys. */
  open(blob: Descriptor, offset: number): Promise<Readable>;
  /** Repositories (`host/repository`) known to have the blob: a registry may take it from there without an upload. */
  origins?(digest: Digest): readonly string[];
  /** The image as plain tars, where the source has a shorter way to them than through its blobs. */
  tars?(): Promise<TarImage>;
}

/** A blob on its way; `open` may be called again for another try. Bytes from 0 on are verified unless the sink does it. */
export interface Blob {
  readonly descriptor: Descriptor;
  readonly origins: readonly string[];
  /** The registry said that it has the blob and then missed it: send the bytes, whatever it says. */
  readonly insist: boolean;
  open(offset: number): Promise<Readable>;
  readonly onBytes: (bytes: number) => void;
}

/** A manifest or index: its bytes and what they say. */
export interface ManifestNode {
  readonly raw: RawManifest;
  readonly document: ManifestDocument;
}

/** Where an image is written to. All is idempotent: success means "it is there now"; nothing has a name before `commit`. */
export interface ImageSink extends AsyncDisposable {
  readonly label: string;
  /** True when `put` itself checks size and digest of what it reads. */
  readonly verifies: boolean;
  /** True when one blob is written after another: an archive. */
  readonly serial?: boolean;
  has(blob: Descriptor): Promise<boolean>;
  put(blob: Blob): Promise<void>;
  /** A manifest below the root: all that it names is there. */
  putManifest(node: ManifestNode): Promise<void>;
  /** The root: the last step, which gives the image its name. `index` is what it was chosen from. */
  commit(root: ManifestNode, index: RawManifest | undefined): Promise<void>;
  /** True when a manifest was refused for blobs that the sink had said were there: they are then put once more. */
  lacksBlobs?(error: unknown): boolean;
}

export interface CopyOptions {
  /** Blobs at once; 4. */
  readonly concurrency?: number;
  /** Of an index: the image for this platform (the machine's own when absent), everything, or nothing but itself. */
  readonly select?: Platform | 'all' | 'list';
  readonly onProgress?: Progress;
}

export interface Copied {
  /** What the sink got. */
  readonly root: ManifestNode;
  /** The index that the image was chosen from. */
  readonly index: RawManifest | undefined;
}

const MAX_DEPTH = 4;
const MAX_MANIFESTS = 1000;

/**
 * Copies an image, or a whole index: blobs first, then manifests from the leaves up, the name last, so that a copy that
 * breaks off leaves nothing half behind a name. Manifests arrive byte for byte. Failures are `CopyError`s that tell the side.
 */
export async function copyImage(
  source: ImageSource,
  sink: ImageSink,
  options: CopyOptions = {},
): Promise<Copied> {
  const { select = hostPlatform(), onProgress = noProgress } = options;
  const concurrency = sink.serial ? 1 : (options.concurrency ?? 4);
  const top = await fetchNode(source, undefined);
  const chosen = typeof select === 'string' ? undefined : await chooseImage(source, top, select);
  const root = chosen ?? top;
  const tree = select === 'list' ? NOTHING_BELOW : await walk(source, root);

  const ends = { source, sink, concurrency, onProgress };
  await copyBlobs(ends, tree.layers);
  await copyBlobs(ends, tree.configs);
  onProgress({ kind: 'message', text: `Writing manifest ${root.raw.digest}` });
  const index = root === top ? undefined : top.raw;
  await copyManifests(ends, tree, { root, index });
  return { root, index };
}

/** The manifest that a descriptor names (or the source's own), verified and decoded. */
export async function fetchNode(
  source: ImageSource,
  descriptor: Descriptor | undefined,
): Promise<ManifestNode> {
  return reading(source.label, async () => {
    const raw = await source.manifest(descriptor?.digest);
    const what = `manifest ${raw.digest}`;
    verifyBytes(raw.bytes, descriptor ?? raw, what);
    if (descriptor && descriptor.mediaType !== raw.mediaType) {
      throw new BldError('E_INTEGRITY', `${what} is of type ${raw.mediaType}, not ${descriptor.mediaType}`);
    }
    return { raw, document: decodeManifest(raw.bytes, raw.mediaType, what) };
  });
}

/** The image for the platform, going down through indexes; undefined when `top` is an image already. */
export async function chooseImage(
  source: ImageSource,
  top: ManifestNode,
  platform: Platform,
): Promise<ManifestNode | undefined> {
  let node = top;
  for (let depth = 0; node.document.kind === 'index'; depth++) {
    if (depth === MAX_DEPTH) throw tooDeep(source.label);
    const { manifests } = node.document.index;
    node = await fetchNode(source, choosePlatform(manifests, platform, source.label));
  }
  return node === top ? undefined : node;
}

interface Tree {
  readonly layers: readonly Descriptor[];
  readonly configs: readonly Descriptor[];
  /** Without the root, leaves first. */
  readonly children: readonly ManifestNode[];
}

const NOTHING_BELOW: Tree = { layers: [], configs: [], children: [] };

/** All that hangs on the root, each thing once. Layers that are only named by URLs are none of ours to copy. */
async function walk(source: ImageSource, root: ManifestNode): Promise<Tree> {
  const layers = new Map<Digest, Descriptor>();
  const configs = new Map<Digest, Descriptor>();
  const children = new Map<Digest, ManifestNode>();
  const visit = async ({ document }: ManifestNode, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw tooDeep(source.label);
    if (document.kind === 'manifest') {
      configs.set(document.manifest.config.digest, document.manifest.config);
      for (const layer of document.manifest.layers) {
        const foreign = layerKind(layer.mediaType)?.foreign && (layer.urls?.length ?? 0) > 0;
        if (!foreign) layers.set(layer.digest, layer);
      }
      return;
    }
    for (const entry of document.index.manifests) {
      if (children.has(entry.digest)) continue;
      if (layerKind(entry.mediaType) || [OCI_CONFIG, DOCKER_CONFIG].includes(entry.mediaType)) {
        layers.set(entry.digest, entry); // build caches of old list blobs where manifests belong
        continue;
      }
      if (!MANIFEST_TYPES.includes(entry.mediaType)) {
        throw new BldError('E_UNSUPPORTED', `${source.label}: the index names a ${entry.mediaType}`);
      }
      if (children.size >= MAX_MANIFESTS) {
        throw new BldError('E_LIMIT', `${source.label}: more than ${MAX_MANIFESTS} manifests in an index`);
      }
      const child = await fetchNode(source, entry);
      await visit(child, depth + 1);
      children.set(entry.digest, child);
    }
  };
  await visit(root, 0);
  for (const digest of configs.keys()) layers.delete(digest);
  return { layers: [...layers.values()], configs: [...configs.values()], children: [...children.values()] };
}

function tooDeep(label: string): BldError {
  return new BldError('E_LIMIT', `${label}: indexes nested deeper than ${MAX_DEPTH} levels`);
}

interface Ends {
  readonly source: ImageSource;
  readonly sink: ImageSink;
  readonly concurrency: number;
  readonly onProgress: Progress;
}

async function copyManifests(ends: Ends, tree: Tree, { root, index }: Copied): Promise<void> {
  const { sink, concurrency } = ends;
  const put = async () => {
    for (const node of tree.children) await sink.putManifest(node);
    await sink.commit(root, index);
  };
  await writing(sink.label, async () => {
    try {
      await put();
    } catch (error) {
      if (!sink.lacksBlobs?.(error)) throw error;
      if (tree === NOTHING_BELOW) throw lacking(sink.label, error);
      await mapPool([...tree.layers, ...tree.configs], concurrency, (blob) => copyBlob(ends, blob, true));
      await put();
    }
  });
}

function lacking(label: string, cause: unknown): BldError {
  return new BldError('E_NOT_FOUND', `${label}: images of the list are not there`, {
    hint: 'push it without --all=false, which takes them along',
    cause,
  });
}

/** Asks for all in one wave, then copies what is missing. */
async function copyBlobs(ends: Ends, blobs: readonly Descriptor[]): Promise<void> {
  const { sink, concurrency, onProgress } = ends;
  const there = await writing(sink.label, () => mapPool(blobs, concurrency, (blob) => sink.has(blob)));
  await mapPool(blobs, concurrency, async (blob, index) => {
    const id = blob.digest;
    onProgress({ kind: 'start', id, label: `Copying ${shownKind(blob)} ${id}`, total: blob.size });
    if (!there[index]) await copyBlob(ends, blob);
    onProgress({ kind: 'end', id, ...(there[index] && { note: 'already there' }) });
  });
}

function shownKind({ mediaType }: Descriptor): string {
  return mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG ? 'config' : 'blob';
}

async function copyBlob(
  { source, sink, onProgress }: Ends,
  descriptor: Descriptor,
  insist = false,
): Promise<void> {
  const { digest: id } = descriptor;
  const open = (offset: number) =>
    reading(source.label, async () => {
      const stream = await source.open(descriptor, offset);
      if (sink.verifies || offset > 0) return sided(stream, source.label);
      return sided(verified(stream, descriptor, `blob ${id}`), source.label);
    });
  const blob: Blob = {
    descriptor,
    origins: source.origins?.(id) ?? [],
    insist,
    open,
    onBytes: (bytes) => onProgress({ kind: 'advance', id, bytes }),
  };
  try {
    await sink.put(blob);
  } catch (error) {
    // a sink that verifies blames nobody: wrong bytes are the fault of where they came from
    const wrongBytes = sink.verifies && error instanceof BldError && error.code === 'E_INTEGRITY';
    throw copyError(wrongBytes ? 'source' : 'destination', wrongBytes ? source.label : sink.label, error);
  }
}
