import { newImageName } from '../../images/reference.ts';
import { knownImage } from '../find-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './tag.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, [name = '', ...names]) => {
  const store = await context.store();
  const image = knownImage(store, name);
  store.images.tag(image.id, names.map(newImageName));
  return undefined;
};
