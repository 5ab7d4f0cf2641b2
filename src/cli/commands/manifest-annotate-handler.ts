import { BldError } from '../../base/errors.ts';
import { annotateInList, annotateList } from '../../builder/lists.ts';
import { entryChange } from '../manifest-entry.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-annotate.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [list = '', image]) => {
  const engine = await context.engine();
  const change = entryChange(options);
  if (options.index) {
    if (change.platform)
      throw new BldError('E_USAGE', 'a list has no platform of its own: name an image of it');
    const { id, record } = await annotateList(engine, list, change.annotations ?? {});
    return lines([`${id.slice(7)}: ${record.digest}`]);
  }
  if (image === undefined) throw new BldError('E_USAGE', 'an image of the list must be specified');
  const { id, digests } = await annotateInList(engine, list, image, change);
  return lines(digests.map((digest) => `${id.slice(7)}: ${digest}`));
};
