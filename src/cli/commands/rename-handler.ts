import { BldError } from '../../base/errors.ts';
import { findContainer } from '../../builder/container.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './rename.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, [asked = '', name = '']) => {
  const engine = await context.engine({ quiet: true });
  const { id } = findContainer(engine, asked);
  const { containers } = engine.store;
  if (containers.find(id)?.name === name) {
    throw new BldError('E_USAGE', 'renaming a container with the same name as its current name');
  }
  containers.update(id, { name });
  return undefined;
};
