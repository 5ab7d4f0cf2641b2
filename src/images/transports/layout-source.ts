import type { Digest } from '../../base/digest.ts';
import { algorithmOf, hexOf } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import type { ImageSource } from '../copy.ts';
import { bareType, decodeManifest, type RawManifest, rawManifest } from '../decode.ts';
import { parseJson } from '../json.ts';
import type { Selector } from '../location.ts';
import { OCI_INDEX } from '../media-types.ts';
import type { Descriptor, Index } from '../types.ts';
import { verifyBytes } from '../verify.ts';
import { type FileTree, readDocument, withTree } from './files.ts';

export const REF_NAME = 'org.opencontainers.image.ref.name';
const CONTAINERD_NAME = 'io.containerd.image.name';

/** OCI image layout specification: `blobs/<algorithm>/<hex>`. */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/** The layout's index; E_NOT_FOUND when the files are no layout, E_UNSUPPORTED for versions other than 1. */
export async function readLayoutIndex(tree: FileTree, label: string): Promise<Index> {
  if ((await tree.size('oci-layout')) === null) {
    throw new BldError('E_NOT_FOUND', `${label} is not an OCI image layout: there is no oci-layout`);
  }
  const marker = parseJson(await readDocument(tree, 'oci-layout', label), `${label}: oci-layout`);
  const version =
    marker && typeof marker === 'object' && 'imageLayoutVersion' in marker && marker.imageLayoutVersion;
  if (typeof version !== 'string' || !version.startsWith('1.')) {
    throw new BldError(
      'E_UNSUPPORTED',
      `${label} is an OCI image layout of version ${JSON.stringify(version)}`,
    );
  }
  const what = `${label}: index.json`;
  const document = decodeManifest(await readDocument(tree, 'index.json', label), OCI_INDEX, what);
  if (document.kind !== 'index') throw new BldError('E_INTEGRITY', `${what} is no index`);
  return document.index;
}

/** The name that the layout gives to an entry. */
export function entryName(entry: Descriptor): string | undefined {
  return entry.annotations?.[REF_NAME] ?? entry.annotations?.[CONTAINERD_NAME];
}

function select(entries: readonly Descriptor[], selector: Selector | undefined, label: string): Descriptor {
  const names = entries.map((entry, at) => entryName(entry) ?? `@${at}`).join(', ');
  const hint = entries.length === 0 ? 'it is empty' : `it holds ${names}`;
  if (selector?.by === 'position') {
    const entry = entries[selector.position];
    if (entry) return entry;
    throw new BldError('E_NOT_FOUND', `${label} has no image at that position`, { hint });
  }
  if (selector?.by === 'digest') {
    const entry = entries.find(({ digest }) => digest === selector.digest);
    if (entry) return entry;
    throw new BldError('E_NOT_FOUND', `${label}: the layout's index has no image of that digest`, { hint });
  }
  if (selector) {
    const { name } = selector;
    const entry =
      entries.find(({ annotations }) => annotations?.[REF_NAME] === name) ??
      entries.find(({ annotations }) => annotations?.[CONTAINERD_NAME] === name);
    if (entry) return entry;
    throw new BldError('E_NOT_FOUND', `${label} has no image ${JSON.stringify(name)}`, { hint });
  }
  const [only, ...others] = entries;
  if (only && others.length === 0) return only;
  if (!only) throw new BldError('E_NOT_FOUND', `${label} holds no image`);
  throw new BldError('E_USAGE', `${label} holds ${entries.length} images: name one`, { hint });
}

export interface LayoutSource extends ImageSource {
  /** The name that the layout gives to the image. */
  readonly imageName: string | undefined;
}

/** An image of an OCI layout, in a directory or an archive. Takes the tree over: disposing closes it. */
export function layoutSource(
  tree: FileTree,
  label: string,
  selector: Selector | undefined,
): Promise<LayoutSource> {
  return withTree(tree, () => openLayout(tree, label, selector));
}

async function openLayout(
  tree: FileTree,
  label: string,
  selector: Selector | undefined,
): Promise<LayoutSource> {
  const index = await readLayoutIndex(tree, label);
  const root = select(index.manifests, selector, label);

  async function manifest(digest: Digest = root.digest): Promise<RawManifest> {
    const what = `${label}: manifest ${digest}`;
    const bytes = await readDocument(tree, blobPath(digest), label);
    verifyBytes(bytes, { digest }, what);
    const said = digest === root.digest ? bareType(root.mediaType) : undefined;
    const { mediaType } = decodeManifest(bytes, said, what);
    return { ...rawManifest(bytes, mediaType), digest };
  }

  return {
    label,
    // containerd's writers put the tag alone where others put the name
    imageName: root.annotations?.[CONTAINERD_NAME] ?? entryName(root),
    manifest,
    open: (blob, offset) => tree.open(blobPath(blob.digest), offset),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}
