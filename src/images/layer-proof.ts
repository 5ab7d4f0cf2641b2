import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { verifying } from '../base/streams.ts';
import { decompressed } from '../layers/decompress.ts';
import type { Store } from '../store/types.ts';
import type { Descriptor } from './types.ts';

/**
 * True when the blob is what its layer's name promises. Which blob belongs to which layer is what configurations of
 * pulled images claim; bytes that are to stand for another image's layer are looked at first.
 */
export async function unpacksTo(store: Store, blob: Descriptor, diffId: Digest): Promise<boolean> {
  if (!store.blobs.has(blob.digest)) return false;
  if (store.layers.isProved(diffId, blob.digest)) return true;
  const bytes = verifying(store.blobs.open(blob.digest), blob, `blob ${blob.digest}`);
  try {
    for await (const _ of verifying(decompressed(bytes), { digest: diffId }, `layer ${diffId}`));
    store.layers.prove(diffId, blob.digest);
    return true;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/** Bytes that are not what they should be, as opposed to bytes that could not be had. */
export function isDamage(error: unknown): boolean {
  return error instanceof BldError && (error.code === 'E_INTEGRITY' || error.code === 'E_ARCHIVE');
}
