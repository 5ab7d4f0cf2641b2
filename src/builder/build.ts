import { BldError } from '../base/errors.ts';
import { mapPool } from '../base/pool.ts';
import { parseFile } from '../dockerfile/parse.ts';
import { type Plan, type PlanOptions, planBuild, type Stage } from '../dockerfile/plan.ts';
import { hostPlatform } from '../images/platform.ts';
import { keepLent, tellUnknownStages, withImports } from './build/cache.ts';
import type { BuildSource } from './build/context.ts';
import { finish } from './build/finish.ts';
import type { BuiltStage, Job } from './build/job.ts';
import { writeCaches } from './build/kept-steps.ts';
import { readContext } from './build/sources.ts';
import { buildStage } from './build/stage.ts';
import type { BuildOptions } from './build/types.ts';
import type { Committed } from './commit.ts';
import type { Container } from './container.ts';
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
  return withImports(engine, options, (lending) => attempt(lending, source, options));
}

async function attempt(engine: Engine, source: BuildSource, options: BuildOptions): Promise<Committed> {
  const plan = planOf(source, options);
  tellUnknownStages(plan.stages, options.cache);
  const stop = new AbortController();
  const signal = engine.signal ? AbortSignal.any([engine.signal, stop.signal]) : stop.signal;
  const own: Engine = {
    ...engine,
    signal,
    cache: options.layers !== false,
    refresh: options.noCache ?? false,
    cacheTtl: options.cache?.ttl ?? Number.POSITIVE_INFINITY,
  };
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
    await writeCaches([job]);
    failed = false;
    return made;
  } finally {
    stop.abort(new BldError('E_CANCELLED', 'another stage failed'));
    await Promise.allSettled(job.running());
    for (const container of job.containers) {
      if (!failed || !options.keepFailed) await remove({ ...container, engine });
      else await keepLent(engine, container.id);
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
  };
}

interface Given {
  readonly source: BuildSource;
  readonly options: BuildOptions;
}

function openJob(engine: Engine, plan: Plan, { source, options }: Given) {
  const built = new Map<number, Promise<BuiltStage>>();
  const containers: Container[] = [];
  const stageAt = (index: number): Stage => {
    const stage = plan.stages[index];
    if (!stage) throw new Error(`internal: no stage ${index}`);
    return stage;
  };
  const job: Job = {
    engine,
    plan,
    options,
    context: source,
    containers,
    done: new Map(),
    stage(index) {
      const started = built.get(index) ?? buildStage(job, stageAt(index));
      built.set(index, started);
      return started;
    },
    named(name) {
      const value = options.contexts?.get(name);
      if (value === undefined) throw new Error(`internal: no context ${name}`);
      return readContext(value);
    },
    label: (stage) => ({
      position: plan.order.indexOf(stage) + 1 || plan.order.length,
      count: plan.order.length,
      steps: stage.instructions.length + 1,
      name: stage.name,
    }),
    isForeign: (stage) => options.platform !== undefined || stage.from.platform !== undefined,
  };
  return { ...job, running: () => [...built.values()] };
}
