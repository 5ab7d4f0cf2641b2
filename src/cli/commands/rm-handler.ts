import { BldError } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import { remove } from '../../builder/remove.ts';
import type { Containers } from '../../store/types.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './rm.ts';

/** All but those of builds that run: these are no leftovers, and go by themselves. */
function idle(containers: Containers): string[] {
  const [others, busy] = [false, true].map((wanted) =>
    containers.list().filter(({ id }) => containers.isTransient(id) === wanted),
  );
  for (const { name } of busy ?? []) log.warn(`${name} stays: a build is at work in it`);
  return (others ?? []).map(({ id }) => id);
}

export const handle: Handler<typeof spec.flags> = async (context, options, names) => {
  if (options.all && names.length > 0) {
    throw new BldError('E_USAGE', 'when using the --all switch, you may not pass any container names or IDs');
  }
  if (!options.all && names.length === 0) throw new BldError('E_USAGE', 'container ID must be specified');
  const engine = await context.engine({ quiet: true });
  const { containers } = engine.store;
  const all = options.all ? idle(containers) : names;
  const unknown: string[] = [];
  for (const name of all) {
    const record = containers.find(name);
    if (!record) {
      unknown.push(name);
      continue;
    }
    await remove({ engine, id: record.id });
    context.print(lines([record.id]));
  }
  const [first] = unknown;
  if (first !== undefined) {
    throw new BldError('E_NOT_FOUND', `removing container ${JSON.stringify(first)}: container not known`, {
      hint: '`bld containers` lists them',
    });
  }
  return undefined;
};
