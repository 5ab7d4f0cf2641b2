import type { Descriptor, Platform } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { listEntry } from '../images/list-entry.ts';
import { findList, holdLists, listId, readList, removeList, storeList } from '../images/lists.ts';
import { parseLocation } from '../images/location.ts';
import {
  addToIndex,
  ambiguousPlatforms,
  annotateEntry,
  annotateIndex,
  type EntryChange,
  emptyIndex,
  removeFromIndex,
} from '../images/manifest-list.ts';
import { hostPlatform, normalisePlatform } from '../images/platform.ts';
import { findImage } from '../images/record.ts';
import { isImageId, localCandidates, newImageName } from '../images/reference.ts';
import type { Index, StringMap } from '../images/types.ts';
import type { IndexRecord } from '../store/types.ts';
import type { Engine } from './engine.ts';
import { obtainImage } from './from.ts';

/** A list of the store as it is now. */
export interface ManifestList {
  /** What it keeps while images come and go. */
  readonly id: Digest;
  /** The names it has, and its contents. */
  readonly record: IndexRecord;
}

/** The list of this name, id or digest. E_NOT_FOUND. */
export function knownList({ store }: Engine, text: string): ManifestList {
  const record = findList(store, text);
  if (record) return { id: listId(record), record };
  throw new BldError('E_NOT_FOUND', `${text}: manifest list not known`, {
    hint: 'make one: bld manifest create NAME',
  });
}

export interface CreateListOptions {
  /** A list that is there already is added to. */
  readonly amend?: boolean | undefined;
  /** What has the name loses it. */
  readonly replace?: boolean | undefined;
  readonly annotations?: StringMap | undefined;
}

/** Makes a list without images. E_EXISTS when the name is taken. */
export async function createList(
  engine: Engine,
  text: string,
  { amend = false, replace = false, annotations = {} }: CreateListOptions = {},
): Promise<ManifestList> {
  const { store } = engine;
  const name = newImageName(text);
  using _ = await holdLists(store, engine.signal);
  const list = store.images.findIndex(name);
  if (!list && !replace && store.images.find(name)) throw taken(name, 'an image has it');
  if (list && !replace && !amend)
    throw taken(name, 'a list has it: --amend adds to that, --replace starts anew');
  const before = list && amend && !replace ? readList(store, list) : emptyIndex();
  return await put(engine, { before: list, names: [name], index: annotated(before, annotations) });
}

function taken(name: string, hint: string): BldError {
  return new BldError('E_EXISTS', `image name ${JSON.stringify(name)} is already in use`, { hint });
}

function annotated(index: Index, annotations: StringMap): Index {
  return Object.keys(annotations).length > 0 ? annotateIndex(index, annotations) : index;
}

export interface AddOptions {
  /** What the list tells of the image where that is not what the image tells itself. */
  readonly platform?: Partial<Platform> | undefined;
  readonly annotations?: StringMap | undefined;
  /** All images of an index. */
  readonly all?: boolean | undefined;
  /** The list is made when it is not there. */
  readonly create?: boolean | undefined;
}

/** What a change of a list leaves, and the images that it was about. */
export interface ChangedList extends ManifestList {
  readonly digests: readonly Digest[];
}

/** Adds an image, or with `all` those of an index: of the store, or pulled when it is not there. */
export async function addToList(
  engine: Engine,
  list: string,
  image: string,
  options: AddOptions = {},
): Promise<ChangedList> {
  const { entries, release } = await entriesOf(engine, image, options);
  try {
    const changed = await change(engine, { text: list, create: options.create ?? false }, (index) =>
      entries.reduce(addToIndex, index),
    );
    return { ...changed, digests: entries.map(({ digest }) => digest) };
  } finally {
    await release();
  }
}

/** Takes images out of the list: by the digest of their manifest, or by name or id. E_NOT_FOUND. */
export async function removeFromList(engine: Engine, list: string, image: string): Promise<ChangedList> {
  let digest: Digest | undefined;
  const changed = await change(engine, { text: list, create: false }, (index) => {
    digest = memberOf(engine, index, image);
    return removeFromIndex(index, digest);
  });
  return { ...changed, digests: digest ? [digest] : [] };
}

/** Changes what the list tells of one of its images. E_NOT_FOUND. */
export async function annotateInList(
  engine: Engine,
  list: string,
  image: string,
  entry: EntryChange,
): Promise<ChangedList> {
  let digest: Digest | undefined;
  const changed = await change(engine, { text: list, create: false }, (index) => {
    digest = memberOf(engine, index, image);
    return annotateEntry(index, digest, entry);
  });
  return { ...changed, digests: digest ? [digest] : [] };
}

/** Annotates the list itself. */
export async function annotateList(
  engine: Engine,
  list: string,
  annotations: StringMap,
): Promise<ManifestList> {
  return change(engine, { text: list, create: false }, (index) => annotated(index, annotations));
}

interface Entries {
  readonly entries: readonly Descriptor[];
  /** What was fetched for them alone may go. */
  readonly release: () => Promise<void>;
}

async function entriesOf(engine: Engine, image: string, options: AddOptions): Promise<Entries> {
  const { store } = engine;
  const list = options.all ? findList(store, image) : null;
  if (list) return { entries: readList(store, list).manifests, release: async () => {} };
  const isElsewhere = parseLocation(image) !== null || !findImage(store, image, hostPlatform());
  if (options.all && isElsewhere) {
    const { pullList } = await import('../images/pull-list.ts');
    const registry = { ...engine.registry, uid: engine.environment.uid, signal: engine.signal };
    const pulled = await pullList(store, image, { registry, onProgress: engine.progress });
    const release = async () => {
      using _ = await holdLists(store, engine.signal);
      if (pulled && store.images.findIndex(pulled.digest)?.names.length === 0) removeList(store, pulled);
    };
    if (pulled) return { entries: readList(store, pulled).manifests, release };
  }
  const record = await obtainImage(engine, image);
  const entry = await listEntry(store, record, { onProgress: engine.progress });
  const { platform: own } = entry;
  const platform = normalisePlatform({ os: '', architecture: '', ...own, ...options.platform });
  const { annotations } = options;
  const isAnnotated = annotations !== undefined && Object.keys(annotations).length > 0;
  return { entries: [{ ...entry, platform, ...(isAnnotated && { annotations }) }], release: async () => {} };
}

/** The image's manifest in the list. */
function memberOf({ store }: Engine, index: Index, image: string): Digest {
  const digests = index.manifests.map(({ digest }) => digest);
  const found = digests.find((digest) => digest === image || image.endsWith(`@${digest}`));
  if (found) return found;
  const record = findImage(store, image, hostPlatform());
  const own = digests.find((digest) => digest === record?.manifest?.digest);
  if (own) return own;
  throw new BldError('E_NOT_FOUND', `${image} is not in the list`, {
    hint: digests.length === 0 ? 'it is empty' : `it has ${digests.join(', ')}`,
  });
}

async function change(
  engine: Engine,
  { text, create }: { readonly text: string; readonly create: boolean },
  work: (index: Index) => Index,
): Promise<ManifestList> {
  const { store, signal } = engine;
  using _ = await holdLists(store, signal);
  const before = create ? findList(store, text) : knownList(engine, text).record;
  const name = before ? nameIn(before, text) : newImageName(text);
  const index = work(before ? readList(store, before) : emptyIndex());
  const [twice] = ambiguousPlatforms(index);
  if (twice) log.warn(`${text} has more than one image for ${twice}`);
  return await put(engine, { before, names: name === undefined ? (before?.names ?? []) : [name], index });
}

function nameIn({ names }: IndexRecord, text: string): string | undefined {
  if (isImageId(text)) return undefined;
  return localCandidates(text).find((candidate) => names.includes(candidate));
}

interface Putting {
  readonly before: IndexRecord | null;
  readonly names: readonly string[];
  readonly index: Index;
}

/** Stores the list as it is now, under its names; what it was before goes when it has no other name. */
async function put({ store }: Engine, { before, names, index }: Putting): Promise<ManifestList> {
  const record = await storeList(store, index, names);
  if (before && before.digest !== record.digest) {
    const left = store.images.findIndex(before.digest);
    if (left?.names.length === 0) removeList(store, left);
  }
  return { id: listId(record), record };
}
