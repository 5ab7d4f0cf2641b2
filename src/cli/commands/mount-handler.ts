import { findContainer } from '../../builder/container.ts';
import { mount, shownAt } from '../../builder/rootfs.ts';
import { json, lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './mount.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, names) => {
  const engine = await context.engine({ quiet: true });
  const shown: { container: string; mountpoint: string }[] = [];
  if (names.length === 0) {
    for (const { id, name } of engine.store.containers.list()) {
      const mountpoint = shownAt({ engine, id });
      if (mountpoint !== null) shown.push({ container: name, mountpoint });
    }
  }
  for (const name of names) {
    shown.push({ container: name, mountpoint: await mount(findContainer(engine, name)) });
  }
  if (options.json) return json(shown.length > 0 ? shown : null);
  const named = names.length !== 1;
  return lines(shown.map(({ container, mountpoint }) => (named ? `${container} ${mountpoint}` : mountpoint)));
};
