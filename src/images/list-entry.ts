import type { ImageRecord, Store } from '../store/types.ts';
import { platformOf } from './config.ts';
import { type MaterialiseOptions, materialise } from './materialise.ts';
import { imageConfig } from './record.ts';
import type { Descriptor } from './types.ts';

/**
 * The image as a list names it. Its manifest is made for that (its layers are compressed, once), and kept, for the list
 * needs these very bytes.
 */
export async function listEntry(
  store: Store,
  image: ImageRecord,
  options: MaterialiseOptions = {},
): Promise<Descriptor> {
  const { manifest, layers } = await materialise(store, image, options);
  if (store.images.get(image.id)?.manifest?.digest !== manifest.digest) {
    await store.images.setManifest(image.id, manifest, layers);
  }
  const { mediaType, digest, bytes } = manifest;
  return { mediaType, digest, size: bytes.length, platform: platformOf(imageConfig(store, image)) };
}
