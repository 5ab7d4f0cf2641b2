import { BldError } from '../../base/errors.ts';
import { findList } from '../../images/lists.ts';
import { knownImage } from '../find-image.ts';
import { nameOf } from '../image-names.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './untag.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, [asked = '', ...texts]) => {
  const store = await context.store();
  const image = findList(store, asked) ?? knownImage(store, asked);
  const names = texts.map((text) => {
    const name = nameOf(image, text);
    if (name === undefined) throw new BldError('E_NOT_FOUND', `${text}: tag not known`);
    return name;
  });
  store.images.untag(names.length > 0 ? names : image.names);
  return undefined;
};
