import { BldError } from '../base/errors.ts';
import { mapPool } from '../base/pool.ts';
import { parseFile } from '../dockerfile/parse.ts';
import { type Plan, type PlanOptions, planBuild, type Stage } from '../dockerfile/plan.ts';
import { hostPlatform } from '../images/platform.ts';
import type { BuildSource } from './build/context.ts';
import { finish } from './build/finish.ts';
import type { BuiltStage, Job } from './build/job.ts';
import { accessOf, fetchOptions } from './build/secrets.ts';
import { type NamedContext, readContext } from './build/sources.ts';
import { buildStage } from './build/stage.ts';
import type { BuildOptions } from './build/types.ts';
import { openVault } from './build/vault.ts';
import type { Committed } from './commit.ts';
import { type Container, read } from './container.ts';
import type { Engine } from './engine.ts';
import { remove } from './remove.ts';

export type { BuildEvent, BuildOptions, StageLabel } from './build/types.ts';

/**
 * Builds the image that a Dockerfile tells: each stage that the target needs in a working container of its own, by the
 * verbs that scripts use. Working containers are gone afterwards. E_DOCKERFILE, E_RUN with the command's exit code.
 */
export async function build(
  engine: Engine,
  source: BuildSource,
  options: BuildOptions = {},
): Promise<Committed> {
  const plan = planOf(source, options);
  const stop = new AbortController();
  const signal = engine.signal ? AbortSignal.any([engine.signal, stop.signal]) : stop.signal;
  const layered = options.layers !== false;
  const own = { ...engine, signal, cache: layered, refresh: options.noCache ?? false };
  const job = openJob(own, plan, { source, options });
  let failed = true;
  try {
    const done = await mapPool(plan.order, options.jobs ?? 1, ({ index }) => job.stage(index));
    const target = done.at(-1);
    if (!target) throw new Error('internal: a plan without stages');
    const { names = [], destinations = [] } = options;
    if (names.length > 0 || destinations.length > 0) {
      options.onEvent?.({ kind: 'commit', stage: job.label(plan.target), name: names[0] });
    }
    const made = await finish(job, target);
    failed = false;
    return made;
  } finally {
    stop.abort(new BldError('E_CANCELLED', 'another stage failed'));
    await Promise.allSettled(job.running());
    for (const container of job.containers) {
      if (failed && container.id === job.kept()?.id) engine.store.containers.keep(container.id);
      else await remove({ ...container, engine });
    }
  }
}

/** What the Dockerfile and the options come to, before anything is done. */
export function planOf(source: BuildSource, options: BuildOptions): Plan {
  const file = parseFile(source.dockerfile.text, source.dockerfile.name);
  return planBuild(file, planOptions(options));
}

/** What a plan, and a check, goes by. */
export function planOptions(options: BuildOptions): PlanOptions {
  const host = hostPlatform();
  return {
    ...(options.target !== undefined && { target: options.target }),
    buildArgs: options.buildArgs ?? new Map(),
    buildPlatform: host,
    targetPlatform: options.platform ?? host,
    contexts: options.contexts?.keys() ?? [],
    stageContexts: stagesOf(options.contexts),
    from: options.from,
    mounts: options.mounts,
    env: options.env,
  };
}

/** `target:STAGE` among the named contexts. */
function stagesOf(contexts: BuildOptions['contexts'] = new Map()): Map<string, string> {
  const stages = [...contexts].filter(([, value]) => value.startsWith('target:'));
  return new Map(stages.map(([name, value]) => [name, value.slice('target:'.length)]));
}

interface Given {
  readonly source: BuildSource;
  readonly options: BuildOptions;
}

function openJob(engine: Engine, plan: Plan, { source, options }: Given) {
  const built = new Map<number, Promise<BuiltStage>>();
  const contexts = new Map<string, Promise<NamedContext>>();
  const containers: Container[] = [];
  const vault = openVault(options.secrets ?? new Map());
  let kept: Container | undefined;
  const stageAt = (index: number): Stage => {
    const stage = plan.stages[index];
    if (!stage) throw new Error(`internal: no stage ${index}`);
    return stage;
  };
  const job: Job = {
    engine,
    plan,
    options,
    vault,
    context: source,
    containers,
    failed(container, stage, error) {
      const isCancelled = error instanceof BldError && error.code === 'E_CANCELLED';
      if (!options.keepFailed || kept || isCancelled) return;
      kept = container;
      options.onEvent?.({ kind: 'kept', stage, container: read(container).record.name });
    },
    stage(index) {
      const started = built.get(index) ?? buildStage(job, stageAt(index));
      built.set(index, started);
      return started;
    },
    named(name) {
      const value = options.contexts?.get(name);
      if (value === undefined) throw new Error(`internal: no context ${name}`);
      const known = contexts.get(name) ?? readContext(engine, value, fetchOptions(options));
      contexts.set(name, known);
      return known;
    },
    access: accessOf(vault, options.ssh, false),
    label: (stage) => ({
      position: plan.order.indexOf(stage) + 1 || plan.order.length,
      count: plan.order.length,
      steps: stage.instructions.length + 1,
      name: stage.name,
    }),
    isForeign: (stage) => options.platform !== undefined || stage.from.platform !== undefined,
  };
  return { ...job, running: () => [...built.values()], kept: () => kept };
}
