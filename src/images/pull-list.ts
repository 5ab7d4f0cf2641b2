import { BldError } from '../base/errors.ts';
import { noProgress } from '../base/progress.ts';
import type { IndexRecord, Store } from '../store/types.ts';
import { copyImage, fetchNode } from './copy.ts';
import { formatLocation, parseDestination } from './location.ts';
import type { PullOptions } from './pull.ts';
import { resolveSource } from './transports/resolve.ts';
import { storeSink } from './transports/store.ts';
import type { Index } from './types.ts';

/** Fetches an index with all its images; it gets no name. Null when the place has one image and no index. */
export async function pullList(
  store: Store,
  text: string,
  { registry, onProgress = noProgress }: PullOptions,
): Promise<IndexRecord | null> {
  const { source } = await resolveSource(parseDestination(text), { store, ...(registry && { registry }) });
  await using _ = source;
  const { document } = await fetchNode(source, undefined);
  if (document.kind !== 'index') return null;
  await using sink = storeSink(store, { names: [] });
  const { root } = await copyImage(source, sink, { select: 'all', onProgress });
  return store.images.findIndex(root.raw.digest);
}

/** The index at a registry or in a layout, without its images. E_NOT_FOUND where there is one image and no index. */
export async function remoteIndex(
  store: Store,
  text: string,
  { registry }: Pick<PullOptions, 'registry'>,
): Promise<Index> {
  const location = parseDestination(text);
  const { source } = await resolveSource(location, { store, ...(registry && { registry }) });
  await using _ = source;
  const { document } = await fetchNode(source, undefined);
  if (document.kind === 'index') return document.index;
  throw new BldError('E_NOT_FOUND', `${formatLocation(location)} is one image, not a manifest list`);
}
