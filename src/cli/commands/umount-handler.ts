import { BldError } from '../../base/errors.ts';
import { findContainer } from '../../builder/container.ts';
import { unmount } from '../../builder/rootfs.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './umount.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, names) => {
  if (options.all && names.length > 0) {
    throw new BldError('E_USAGE', 'when using the --all switch, you may not pass any container names or IDs');
  }
  if (!options.all && names.length === 0)
    throw new BldError('E_USAGE', 'at least one container ID must be specified');
  const engine = await context.engine({ quiet: true });
  if (options.all) {
    const mounted = engine.store.containers.list().filter(({ id }) => unmount({ engine, id }));
    return lines(mounted.map(({ id }) => id));
  }
  const done: string[] = [];
  for (const name of names) {
    const container = findContainer(engine, name);
    if (unmount(container)) done.push(container.id);
  }
  return lines(done);
};
