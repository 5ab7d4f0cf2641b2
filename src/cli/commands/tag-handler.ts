import { findList } from '../../images/lists.ts';
import { newImageName } from '../../images/reference.ts';
import { knownImage } from '../find-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './tag.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, [name = '', ...names]) => {
  const store = await context.store();
  const list = findList(store, name);
  const given = names.map(newImageName);
  if (list) await store.images.addIndex(list.mediaType, store.blobs.read(list.digest), given);
  else store.images.tag(knownImage(store, name).id, given);
  return undefined;
};
