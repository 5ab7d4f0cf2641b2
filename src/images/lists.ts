import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { ImageRecord, IndexRecord, Store } from '../store/types.ts';
import { decodeManifest } from './decode.ts';
import { parseLocation } from './location.ts';
import { encodeIndex, indexFormat } from './manifest-list.ts';
import { type ImageFormat, isIndexType } from './media-types.ts';
import { imageOfManifest } from './record.ts';
import { isImageId, localCandidates } from './reference.ts';
import type { Descriptor, Index } from './types.ts';

/**
 * An id that a list keeps while images come and go, as scripts rely on it: its contents have another digest each time,
 * so the id is made of its first name.
 */
export function listId({ names, digest }: IndexRecord): Digest {
  return names[0] === undefined ? digest : digestOf(`list ${names[0]}`);
}

/** The list that a person means: a name (unqualified ones in `localhost/` first), its digest, its id, the beginning of one. */
export function findList(store: Store, asked: string): IndexRecord | null {
  const text = asked.replace(/^containers-storage:/, '');
  if (parseLocation(text)) return null;
  const hex = text.replace(/^sha256:/, '');
  if (isImageId(text)) {
    const starts = (digest: Digest) => digest.slice(7).startsWith(hex);
    const found = allLists(store).filter((record) => starts(listId(record)) || starts(record.digest));
    if (found.length === 1) return found[0] ?? null;
    if (hex.length === 64) return null;
  }
  for (const name of [text, ...localCandidates(text)]) {
    const record = store.images.findIndex(name);
    if (record) return record;
  }
  return null;
}

/** All manifest lists. */
export function allLists(store: Store): readonly IndexRecord[] {
  return store.images.listIndexes().filter(({ mediaType }) => isIndexType(mediaType));
}

/**
 * The right to change lists: one process at a time. Whoever stores or removes one has it, from the reading of what is
 * changed on.
 */
export async function holdLists(store: Store, signal?: AbortSignal): Promise<Disposable> {
  return store.leases.hold('lists', 'exclusive', {
    onWait: (pid) => log.warn(`waiting for process ${pid}, which changes a manifest list`),
    signal,
  });
}

/** What the list says. E_INTEGRITY. */
export function readList(store: Store, { digest, mediaType }: IndexRecord): Index {
  const document = decodeManifest(store.blobs.read(digest), mediaType, `manifest list ${digest}`);
  if (document.kind !== 'index') throw new Error('internal: a manifest list that is an image');
  return document.index;
}

/** The list's images that the store has. */
export function imagesOf(store: Store, record: IndexRecord): ImageRecord[] {
  const found = readList(store, record).manifests.map(({ digest }) => imageOfManifest(store, digest));
  return found.filter((image) => image !== null);
}

/** Ids of all images that stand in a list, and one of the lists for each. */
export function listedImages(store: Store): ReadonlyMap<Digest, IndexRecord> {
  return new Map(
    allLists(store).flatMap((record) => imagesOf(store, record).map(({ id }) => [id, record] as const)),
  );
}

/** The bytes that a list names stay, also when their image is given another manifest. */
async function keepManifest(store: Store, { digest, mediaType }: Descriptor): Promise<void> {
  if (!store.images.findIndex(digest)) await store.images.addIndex(mediaType, store.blobs.read(digest), []);
}

/** Puts the list into the store under these names, which move from whatever had them. E_NOT_FOUND when an image is gone. */
export async function storeList(
  store: Store,
  index: Index,
  names: readonly string[],
  format: ImageFormat = indexFormat(index),
): Promise<IndexRecord> {
  const { mediaType, bytes } = encodeIndex(index, format);
  for (const entry of index.manifests) {
    await keepManifest(store, entry);
    if (imageOfManifest(store, entry.digest)) continue;
    throw new BldError('E_NOT_FOUND', `the image of ${entry.digest} was removed meanwhile`, {
      hint: 'run the command again',
    });
  }
  return store.images.addIndex(mediaType, bytes, names);
}

/** The list goes, with the images that only stood in it and that no container needs. */
export function removeList(store: Store, record: IndexRecord): void {
  const { manifests } = readList(store, record);
  const images = imagesOf(store, record);
  store.images.removeIndex(record.digest);
  const named = new Set(
    allLists(store).flatMap((other) => readList(store, other).manifests.map(({ digest }) => digest)),
  );
  for (const { digest } of manifests) {
    if (!named.has(digest) && store.images.findIndex(digest)) store.images.removeIndex(digest);
  }
  const needed = new Set<Digest>(listedImages(store).keys());
  for (const { imageId } of store.containers.list()) if (imageId) needed.add(imageId);
  for (const { id, names, intermediate } of images) {
    if (intermediate && names.length === 0 && !needed.has(id) && store.images.get(id))
      store.images.remove(id);
  }
  store.collectLater();
}

const passing = new WeakMap<Store, Map<Digest, Disposable>>();

/** Keeps an image that is only made to be given out from processes that make the same, until `dropPassing`. */
export async function holdPassing(store: Store, id: Digest): Promise<void> {
  const held = passing.get(store) ?? new Map<Digest, Disposable>();
  passing.set(store, held);
  if (!held.has(id)) held.set(id, await store.leases.hold(`image:${id}`, 'shared'));
}

/** Removes an image that was only made to be given out, unless a name, a list or another process needs it. */
export function dropPassing(store: Store, id: Digest): void {
  // let go of first: of several processes the last one finds nobody else
  passing.get(store)?.get(id)?.[Symbol.dispose]();
  passing.get(store)?.delete(id);
  const image = store.images.get(id);
  if (!image?.intermediate || image.names.length > 0 || listedImages(store).has(id)) return;
  try {
    store.images.remove(id);
    store.collectLater();
  } catch (error) {
    const isAnothers = error instanceof BldError && /^E_(?:IN_USE|NOT_FOUND)$/.test(error.code);
    if (!isAnothers) throw error;
  }
}
