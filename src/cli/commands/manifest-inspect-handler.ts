import { findList, readList } from '../../images/lists.ts';
import { json } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-inspect.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [name = '']) => {
  const { store, registry, environment, signal } = await context.engine({ registry: options });
  const list = findList(store, name);
  if (list) return json(readList(store, list));
  const { remoteIndex } = await import('../../images/pull-list.ts');
  return json(await remoteIndex(store, name, { registry: { ...registry, uid: environment.uid, signal } }));
};
