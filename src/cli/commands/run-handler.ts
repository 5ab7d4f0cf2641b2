import { BldError } from '../../base/errors.ts';
import { isTerminal } from '../../base/terminal.ts';
import { findContainer } from '../../builder/container.ts';
import { run } from '../../builder/run.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './run.ts';

/** `NAME=VALUE` sets, `NAME` takes bld's own variable over, as Buildah does. */
function environmentOf(items: readonly string[], own: NodeJS.ProcessEnv): Record<string, string | null> {
  const env: Record<string, string | null> = Object.create(null);
  for (const item of items) {
    const at = item.indexOf('=');
    if (at === 0) throw new BldError('E_USAGE', `invalid variable ${JSON.stringify(item)}`);
    if (at > 0) env[item.slice(0, at)] = item.slice(at + 1);
    else if (own[item] !== undefined) env[item] = own[item];
  }
  return env;
}

export const handle: Handler<typeof spec.flags> = async (context, options, [name = '', ...argv]) => {
  const { cache, requireCached, explain } = options;
  const engine = await context.engine({ cache, requireCached, explain, quiet: !isTerminal(2) });
  await run(findContainer(engine, name), argv, {
    env: environmentOf(options.env, context.env),
    user: options.user,
    workingDir: options.workingdir,
    hostname: options.hostname,
    volumes: options.volume,
    mounts: options.mount,
    cwd: options.contextdir,
    capAdd: options.capAdd,
    capDrop: options.capDrop,
    devices: options.device,
    network: options.network,
    ipc: options.ipc,
    pid: options.pid,
    uts: options.uts,
    cgroupns: options.cgroupns,
    isolation: options.isolation,
    tty: options.terminal,
    noHosts: options.noHosts,
    noHostname: options.noHostname,
    validExitCodes:
      options.validExitCodes.length > 0 ? (options.validExitCodes as readonly number[]) : undefined,
    addHistory: options.addHistory,
  } as Parameters<typeof run>[2]);
  return undefined;
};
