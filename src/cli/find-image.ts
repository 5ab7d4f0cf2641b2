import { BldError } from '../base/errors.ts';
import { hostPlatform } from '../images/platform.ts';
import { findImage } from '../images/record.ts';
import type { ImageRecord, Store } from '../store/types.ts';

/** The image that a person means by a name, an id or the beginning of one; E_NOT_FOUND in Buildah's words. */
export function knownImage(store: Store, text: string): ImageRecord {
  const image = findImage(store, text.replace(/^containers-storage:/, ''), hostPlatform());
  if (image) return image;
  throw new BldError('E_NOT_FOUND', `${text}: image not known`, { hint: 'see bld images' });
}
