import { existsSync } from 'node:fs';
import { BldError } from '../../base/errors.ts';
import { type RunStep, runEnvironment } from '../../dockerfile/evaluate.ts';
import { runArgv } from '../../dockerfile/history.ts';
import { PREDEFINED } from '../../dockerfile/variables.ts';
import { inContainer } from '../destination.ts';
import { run } from '../run.ts';
import { attach } from './attach.ts';
import { atInstruction } from './failure.ts';
import { RunLog } from './run-log.ts';
import type { StepPlace } from './stage.ts';
import type { BuildOptions } from './types.ts';

/** The name that a command finds itself on, the same in every build. */
const HOSTNAME = 'build';

/** RUN by the verb of that name, with the ARGs so far, its mounts and secrets. */
export async function runStep(place: StepPlace, step: RunStep): Promise<void> {
  const { job, container, scope, config, words } = place;
  using output = new RunLog(container.engine.store);
  await atInstruction(
    step.node,
    async () => {
      refuseNetwork(step, job.options);
      const { env, proxies } = environmentOf(place);
      const discard = volumesOf(place);
      await run(container, runArgv(step.command, config), {
        env,
        hostname: scope.inputs.buildArgs.get('BUILDKIT_SANDBOX_HOSTNAME') ?? HOSTNAME,
        ...(step.network !== 'default' && { network: step.network }),
        ...(step.devices.length > 0 && { devices: devicesOf(step, job.options) }),
        ...(discard.length > 0 && { discard }),
        noHosts: job.options.noHosts,
        noHostname: true, // what a RUN writes there is meant for the image
        ...(step.security === 'insecure' && insecure(job.options.allow ?? [])),
        attachments: attach(place, step, { proxies, output }),
        as: words,
      });
    },
    output,
  );
}

/** Proxy settings that no ARG declares reach the command, but neither its history nor its key. */
function environmentOf({ scope }: StepPlace) {
  const env: Record<string, string> = Object.create(null);
  const proxies: Record<string, string> = {};
  for (const entry of runEnvironment(scope)) {
    const equals = entry.indexOf('=');
    const name = entry.slice(0, equals);
    const isProxy = PREDEFINED.has(name) && !scope.variables.has(name);
    (isProxy ? proxies : env)[name] = entry.slice(equals + 1);
  }
  return { env, proxies };
}

/** Files of devices by their paths, when the person allows them; names of CDI are not known. */
function devicesOf({ devices }: RunStep, { allow = [] }: BuildOptions): string[] {
  return devices
    .filter(({ name, isRequired }) => {
      if (!name.startsWith('/')) {
        throw new BldError('E_UNSUPPORTED', `RUN --device=${name}: CDI devices are not known`, {
          hint: 'name a device file: RUN --device=/dev/fuse',
        });
      }
      if (!allow.includes('device') && !allow.includes(`device=${name}`))
        throw notAllowed(`RUN --device=${name}`, `device=${name}`);
      return isRequired || existsSync(name);
    })
    .map(({ name }) => name);
}

/** The host's network is what RUNs have anyway, unless the person chose another for them. */
function refuseNetwork({ network }: RunStep, { run, allow = [] }: BuildOptions): void {
  const chosen = run?.network ?? 'host';
  if (network !== 'host' || ['', 'host', 'default'].includes(chosen) || allow.includes('network.host'))
    return;
  throw notAllowed(`RUN --network=host in a build with --network ${chosen}`, 'network.host');
}

function notAllowed(what: string, entitlement: string): BldError {
  return new BldError('E_USAGE', `${what} is not allowed`, { hint: `allow it with --allow ${entitlement}` });
}

/** With `compatVolumes`, the volumes so far: what a command writes there is not kept. */
function volumesOf({ config, job }: StepPlace): readonly string[] {
  if (!job.options.compatVolumes) return [];
  const paths = Object.keys(config.Volumes ?? {}).map((path) => inContainer(path, '/'));
  return [...new Set(paths)].filter((path) => path !== '/').sort();
}

function insecure(allow: readonly string[]) {
  if (!allow.includes('security.insecure')) throw notAllowed('RUN --security=insecure', 'security.insecure');
  return { capAdd: ['ALL'], securityOpt: ['seccomp=unconfined', 'unmask=ALL'] };
}
