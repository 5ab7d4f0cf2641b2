import { addToList, createList } from '../../builder/lists.ts';
import { namedValues } from '../build-inputs.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-create.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [name = '', ...images]) => {
  const engine = await context.engine({ registry: options });
  const { id } = await createList(engine, name, {
    amend: options.amend,
    replace: options.replace,
    annotations: namedValues(options.annotation, 'annotation'),
  });
  for (const image of images) await addToList(engine, name, image, { all: options.all });
  return lines([id.slice(7)]);
};
