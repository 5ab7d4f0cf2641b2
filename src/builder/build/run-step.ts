import { BldError } from '../../base/errors.ts';
import { type RunStep, runEnvironment } from '../../dockerfile/evaluate.ts';
import { runArgv } from '../../dockerfile/history.ts';
import { PREDEFINED } from '../../dockerfile/variables.ts';
import { run } from '../run.ts';
import { attach } from './attach.ts';
import { atInstruction } from './failure.ts';
import { RunLog } from './run-log.ts';
import type { StepPlace } from './stage.ts';

/** The name that a command finds itself on, the same in every build. */
const HOSTNAME = 'build';

/** RUN by the verb of that name, with the ARGs so far, its mounts and secrets. */
export async function runStep(place: StepPlace, step: RunStep): Promise<void> {
  const { job, container, scope, config, words } = place;
  using output = new RunLog(container.engine.store);
  await atInstruction(
    step.node,
    async () => {
      refuseDevices(step);
      refuseOptions(step);
      const { env, proxies } = environmentOf(place);
      await run(container, runArgv(step.command, config), {
        env,
        hostname: scope.inputs.buildArgs.get('BUILDKIT_SANDBOX_HOSTNAME') ?? HOSTNAME,
        ...(step.network !== 'default' && { network: step.network }),
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

function refuseDevices({ devices }: RunStep): void {
  if (devices.length === 0) return;
  throw new BldError('E_UNSUPPORTED', 'RUN --device is not provided: CDI devices are not known', {
    hint: 'name device files with bld build --device PATH',
  });
}

/** Options of mounts that would change what a command sees; SELinux labels do nothing on machines without it. */
function refuseOptions({ mounts }: RunStep): void {
  for (const { options, type } of mounts) {
    const refused = ['U', 'bind-propagation', 'bind-nonrecursive', 'tmpcopyup'].find(
      (name) => name in options,
    );
    if (refused === undefined) continue;
    throw new BldError('E_UNSUPPORTED', `the option ${refused} of a ${type} mount is not provided`);
  }
}

function insecure(allow: readonly string[]) {
  if (!allow.includes('security.insecure')) {
    throw new BldError('E_USAGE', 'RUN --security=insecure is not allowed', {
      hint: 'allow it with --allow security.insecure',
    });
  }
  return { capAdd: ['ALL'], securityOpt: ['seccomp=unconfined', 'unmask=ALL'] };
}
