import { knownList } from '../../builder/lists.ts';
import { failTogether } from '../many.ts';
import { lines } from '../output.ts';
import { removeNamedList } from '../remove-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-rm.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, names) => {
  const engine = await context.engine({ quiet: true });
  const { store } = engine;
  try {
    await failTogether(names, async (name) => {
      const { id, record } = knownList(engine, name);
      context.print(lines(await removeNamedList(store, record, { text: name, id })));
    });
  } finally {
    store.collect();
  }
  return undefined;
};
