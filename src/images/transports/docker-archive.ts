import { Readable } from 'node:stream';
import { type Digest, Hasher, hexOf } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import { type Encoding, sniff } from '../../layers/decompress.ts';
import { buildImage } from '../build-image.ts';
import { diffIdsFor } from '../config.ts';
import type { ImageSource } from '../copy.ts';
import { decodeConfig } from '../decode.ts';
import { type Json, parseJson } from '../json.ts';
import type { Selector } from '../location.ts';
import { layerKind, layerType } from '../media-types.ts';
import { canonicalName, parseReference } from '../reference.ts';
import type { TarImage, TarSink } from '../tars.ts';
import type { Descriptor } from '../types.ts';
import { type ArchiveTarget, archiveWriter } from './archive-writer.ts';
import { type FileTree, readDocument, withTree } from './files.ts';

interface Item {
  readonly config: string;
  readonly layers: readonly string[];
  readonly names: readonly string[];
}

/** `manifest.json` of Docker's image specification 1.2, "Combined Image JSON + Filesystem Changeset Format". */
async function readItems(tree: FileTree, label: string): Promise<readonly Item[]> {
  if ((await tree.size('manifest.json')) === null) {
    throw new BldError('E_NOT_FOUND', `${label} is not an archive of docker save: there is no manifest.json`);
  }
  const what = `${label}: manifest.json`;
  const items = parseJson(await readDocument(tree, 'manifest.json', label), what);
  const wrong = () => new BldError('E_ARCHIVE', `${what} is malformed`);
  if (!Array.isArray(items)) throw wrong();
  return items.map((item) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) throw wrong();
    const { Config: config, Layers: layers = null, RepoTags: names = null } = item;
    if (typeof config !== 'string' || !isStrings(layers ?? []) || !isStrings(names ?? [])) throw wrong();
    return { config, layers: (layers ?? []) as string[], names: (names ?? []) as string[] };
  });
}

function isStrings(value: Json): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function choose(items: readonly Item[], selector: Selector | undefined, label: string): Item {
  const held = items.map(({ names }, at) => (names.length > 0 ? names.join(' ') : `@${at}`)).join(', ');
  const hint = `it holds ${held || 'nothing'}`;
  if (selector?.by === 'position') {
    const item = items[selector.position];
    if (item) return item;
  } else if (selector?.by === 'name') {
    const wanted = canonicalName(parseReference(selector.name));
    const item = items.find(({ names }) =>
      names.some((name) => canonicalName(parseReference(name)) === wanted),
    );
    if (item) return item;
  } else if (!selector) {
    const [only, ...others] = items;
    if (only && others.length === 0) return only;
    if (only) throw new BldError('E_USAGE', `${label} holds ${items.length} images: name one`, { hint });
  }
  throw new BldError('E_NOT_FOUND', `${label} does not hold that image`, { hint });
}

export interface DockerArchiveSource extends ImageSource {
  /** The names that the archive gives to the image. */
  readonly names: readonly string[];
}

/**
 * An image of a `docker save` archive. Its manifest is made up here, for the archive has none. Takes the tree over:
 * disposing closes it. All paths are members of the archive, links inside of it included.
 */
export function dockerArchiveSource(
  tree: FileTree,
  label: string,
  selector: Selector | undefined,
): Promise<DockerArchiveSource> {
  return withTree(tree, () => openArchive(tree, label, selector));
}

async function openArchive(
  tree: FileTree,
  label: string,
  selector: Selector | undefined,
): Promise<DockerArchiveSource> {
  const item = choose(await readItems(tree, label), selector, label);
  const bytes = await readDocument(tree, item.config, label);
  const what = `${label}: ${item.config}`;
  const diffIds = diffIdsFor(decodeConfig(bytes, what), item.layers.length, what);
  const files = new Map<Digest, string>();
  const layers: Descriptor[] = [];
  for (const [index, name] of item.layers.entries()) {
    const diffId = diffIds[index];
    if (diffId === undefined) throw new Error('internal: fewer diffIDs than layers');
    const layer = await describeLayer(tree, name, diffId, label);
    files.set(layer.digest, name);
    layers.push(layer);
  }
  const format = layers.every(({ mediaType }) => layerKind(mediaType)?.format === 'docker')
    ? 'docker'
    : 'oci';
  const { manifest, config } = buildImage({ config: bytes, layers, format });
  return {
    label,
    names: item.names,
    async manifest(digest) {
      if (digest === undefined || digest === manifest.digest) return manifest;
      throw new BldError('E_NOT_FOUND', `${label} holds no manifest ${digest}`);
    },
    async open(blob, offset) {
      if (blob.digest === config.digest)
        return Readable.from([bytes.subarray(offset)], { objectMode: false });
      const name = files.get(blob.digest);
      if (name === undefined) throw new BldError('E_NOT_FOUND', `${label} holds no blob ${blob.digest}`);
      return tree.open(name, offset);
    },
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

/** A plain tar is what its diffID says (it is verified when it is read); of a compressed one nobody told the digest. */
async function describeLayer(
  tree: FileTree,
  name: string,
  diffId: Digest,
  label: string,
): Promise<Descriptor> {
  const size = await tree.size(name);
  if (size === null) throw new BldError('E_NOT_FOUND', `${label}: the layer ${name} is missing`);
  const compression = await encodingOf(tree, name);
  if (compression === 'bzip2' || compression === 'xz') {
    throw new BldError('E_UNSUPPORTED', `${label}: the layer ${name} is compressed with ${compression}`);
  }
  const format = compression === 'zstd' ? 'oci' : 'docker';
  const mediaType = layerType({ format, compression, foreign: false });
  if (mediaType === undefined) throw new Error(`internal: no type for ${compression} layers`);
  if (compression === 'none') return { mediaType, digest: diffId, size };
  const hasher = new Hasher();
  for await (const chunk of await tree.open(name)) hasher.update(chunk as Buffer);
  return { mediaType, digest: hasher.digest(), size };
}

async function encodingOf(tree: FileTree, name: string): Promise<Encoding> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of await tree.open(name)) {
    parts.push((chunk as Buffer).subarray(0, 6));
    size += (chunk as Buffer).length;
    if (size >= 6) break;
  }
  return sniff(Buffer.concat(parts));
}

/** Writes an image as `docker save` does, in one pass: plain layers named by their diffIDs, then `manifest.json`. */
export function dockerArchiveSink(target: ArchiveTarget, names: readonly string[], label: string): TarSink {
  const writer = archiveWriter(target);
  return {
    label,
    async write({ config, layers }: TarImage) {
      const hasher = new Hasher();
      hasher.update(config);
      const configName = `${hexOf(hasher.digest())}.json`;
      await writer.file(configName, config);
      const fileOf = (diffId: Digest) => `${hexOf(diffId)}.tar`;
      const written = new Set<Digest>();
      for (const { diffId, size, open } of layers) {
        if (!written.has(diffId)) await writer.stream(fileOf(diffId), size, open);
        written.add(diffId);
      }
      const item = {
        Config: configName,
        RepoTags: names.length > 0 ? names : null,
        Layers: layers.map(({ diffId }) => fileOf(diffId)),
      };
      await writer.file('manifest.json', Buffer.from(`${JSON.stringify([item])}\n`));
      const top = layers.at(-1);
      if (names.length > 0 && top) await writer.file('repositories', repositories(names, hexOf(top.diffId)));
      await writer.finish();
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

/** What engines before 1.10 read: name → tag → id of the top layer. */
function repositories(names: readonly string[], layer: string): Buffer {
  const map: Record<string, Record<string, string>> = {};
  for (const name of names) {
    const { registry, repository, tag = 'latest' } = parseReference(name);
    const key = `${registry}/${repository}`;
    map[key] = { ...map[key], [tag]: layer };
  }
  return Buffer.from(`${JSON.stringify(map)}\n`);
}
