import { findContainer } from '../../builder/container.ts';
import { mount, shownAt } from '../../builder/rootfs.ts';
import { json, lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './mount.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, names) => {
  const engine = await context.engine({ quiet: true });
  const shown: { container: string; mountPoint: string }[] = [];
  if (names.length === 0) {
    for (const { id, name } of engine.store.containers.list()) {
      const mountPoint = shownAt({ engine, id });
      if (mountPoint !== null) shown.push({ container: name, mountPoint });
    }
  }
  for (const name of names) {
    shown.push({ container: name, mountPoint: await mount(findContainer(engine, name)) });
  }
  if (options.json) return json(shown.length > 0 ? shown : null);
  const named = names.length !== 1;
  return lines(shown.map(({ container, mountPoint }) => (named ? `${container} ${mountPoint}` : mountPoint)));
};
