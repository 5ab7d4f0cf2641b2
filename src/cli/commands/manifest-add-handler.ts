import { addToList } from '../../builder/lists.ts';
import { entryChange } from '../manifest-entry.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-add.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [list = '', image = '']) => {
  const engine = await context.engine({ registry: options });
  const { id, digests } = await addToList(engine, list, image, {
    ...entryChange(options),
    all: options.all,
  });
  return lines(digests.map((digest) => `${id.slice(7)}: ${digest}`));
};
