import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunStep } from '../../dockerfile/evaluate.ts';
import { scriptPath } from '../../dockerfile/history.ts';
import type { Mount } from '../../dockerfile/mount.ts';
import type { RunMount, RunSpec } from '../../runtime/spec.ts';
import { type CacheMount, cacheAt } from '../cache-mounts.ts';
import { inContainer } from '../destination.ts';
import { openMasker } from '../mask.ts';
import type { Attachments } from '../run.ts';
import { chownTree, mountFlags, tmpfsMount } from '../run-mounts.ts';
import { type Command, mountInput, openBind, openStepCaches, scratchDirectory } from './mounts.ts';
import type { RunLog } from './run-log.ts';
import { openOutput } from './run-output.ts';
import { type OpenedSecret, openAgent, openSecret } from './secrets.ts';
import type { StepPlace } from './stage.ts';

interface Extras {
  /** Variables that are no part of the key. */
  readonly proxies: Readonly<Record<string, string>>;
  readonly output: RunLog;
}

/** What a RUN gets to see besides its root: mounts, secrets, its script; and where its output goes. */
export function attach(place: StepPlace, step: RunStep, { proxies, output }: Extras): Attachments {
  const inputs = async (how: 'content' | 'reference') => {
    const script = step.command.form === 'script' ? step.command.content : '';
    const all: [string, string][] = [['script', script]];
    for (const mount of step.mounts) {
      const name = `mount ${mount.target ?? mount.type} ${all.length}`;
      all.push([name, await mountInput(place, mount, how)]);
    }
    return all;
  };
  const hasSources = step.mounts.some((mount) => mount.type === 'bind' && mount.from);
  return {
    inputs: () => inputs('content'),
    ...(hasSources && { references: () => inputs('reference') }),
    open: async (command) => {
      const mounts: RunMount[] = [];
      const env: Record<string, string> = { ...proxies };
      let agents = 0;
      const caches = await openStepCaches(place, step.mounts, command.stack);
      for (const mount of step.mounts) {
        const opened = await openMount(place, mount, { ...command, agents, caches });
        mounts.push(...opened.mounts);
        Object.assign(env, opened.env);
        if (mount.type === 'ssh') agents++;
      }
      if (step.command.form === 'script') mounts.push(scriptMount(place, step.command, command));
      return { mounts, env, stdio: outputTo(place, command, output) };
    },
  };
}

async function openMount(
  place: StepPlace,
  mount: Mount,
  command: Command & { readonly agents: number; readonly caches: ReadonlyMap<CacheMount, string> },
): Promise<OpenedSecret> {
  switch (mount.type) {
    case 'bind':
      return { mounts: [await openBind(place, mount, command)], env: {} };
    case 'cache': {
      const source = cacheAt(command.caches, mount);
      if ('U' in mount.options) chownTree(place.container.engine, source, command.user);
      return { mounts: [cacheBind(mount, source, command)], env: {} };
    }
    case 'tmpfs': {
      const target = inContainer(mount.target, command.cwd);
      const around = { ...command, container: place.container };
      return { mounts: [await tmpfsMount(mount, target, around)], env: {} };
    }
    case 'secret':
      return openSecret(place, mount, command);
    default:
      return openAgent(place, mount, command, command.agents);
  }
}

function cacheBind(mount: CacheMount, source: string, { cwd }: Command): RunMount {
  return {
    kind: 'bind',
    source,
    target: inContainer(mount.target, cwd),
    readonly: mount.readonly,
    recursive: false,
    options: mountFlags(mount.options),
  };
}

/** A heredoc that starts with `#!` is a file while it runs. */
function scriptMount(
  place: StepPlace,
  script: { readonly name: string; readonly content: string },
  { stack }: Command,
): RunMount {
  const source = join(scratchDirectory(place, stack, 'script-'), 'script');
  writeFileSync(source, script.content, { mode: 0o755 });
  const target = scriptPath(script.name);
  return { kind: 'bind', source, target, readonly: true, recursive: false };
}

/** Both outputs into one pipe, so that their lines stay in order; masked before anybody sees them. */
function outputTo(
  { job, teller, container }: StepPlace,
  { stack }: Command,
  output: RunLog,
): RunSpec['stdio'] {
  const mask = openMasker(job.vault.needles());
  const pass = (chunk: Buffer) => {
    if (chunk.length === 0) return;
    output.add(chunk);
    job.options.onEvent?.({ kind: 'output', ...teller.now(), chunk });
  };
  stack.defer(() => pass(mask.end()));
  const pipe = stack.use(openOutput(container.engine.store, (chunk) => pass(mask.push(chunk))));
  return ['ignore', pipe.fd, pipe.fd];
}
