import { removeFromList } from '../../builder/lists.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-remove.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, [list = '', image = '']) => {
  const engine = await context.engine();
  const { id, digests } = await removeFromList(engine, list, image);
  return lines(digests.map((digest) => `${id.slice(7)}: ${digest}`));
};
