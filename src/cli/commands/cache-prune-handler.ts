import { pruneCache } from '../../builder/kept-cache.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import { humanSize } from '../units.ts';
import { kindsOf } from './cache-ls-handler.ts';
import type { spec } from './cache-prune.ts';

export const handle: Handler<typeof spec.flags> = async (context, options) => {
  const { removed, freed } = pruneCache(await context.store(), {
    kinds: kindsOf(options),
    all: options.all,
    olderThan: options.olderThan,
    keepStorage: options.keepStorage,
  });
  return lines([...removed.map(({ id }) => id), `Total reclaimed space: ${humanSize(freed)}`]);
};
