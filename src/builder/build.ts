import type { Platform } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { mapPool } from '../base/pool.ts';
import { parseFile } from '../dockerfile/parse.ts';
import { type Plan, type PlanOptions, planBuild, type Stage } from '../dockerfile/plan.ts';
import { formatPlatform, hostPlatform } from '../images/platform.ts';
import { type Ahead, openAhead } from './build/ahead.ts';
import { withBases } from './build/bases.ts';
import { keepLent, tellUnknownStages, withImports } from './build/cache.ts';
import { type BuildSource, openSource, type SourceRequest } from './build/context.ts';
import { goesToRegistries, isAttested } from './build/deliver.ts';
import { withEpoch } from './build/epoch.ts';
import { finish } from './build/finish.ts';
import type { BuiltStage, Job, OpenJob } from './build/job.ts';
import { writeCaches } from './build/kept-steps.ts';
import { plainHosts } from './build/plain-hosts.ts';
import { accessOf, fetchOptions } from './build/secrets.ts';
import { type NamedContext, readContext } from './build/sources.ts';
import { buildStage } from './build/stage.ts';
import type { BuildOptions, Built } from './build/types.ts';
import { openVault, type Vault } from './build/vault.ts';
import { now } from './clock.ts';
import { type Container, read } from './container.ts';
import type { Engine } from './engine.ts';
import type { Material } from './material.ts';
import { remove } from './remove.ts';

export type { BuildEvent, BuildOptions, Built, BuiltPlatform, StageLabel } from './build/types.ts';

/**
 * Builds the image that a Dockerfile tells: each stage that the target needs in a working container of its own, by the
 * verbs that scripts use; for several platforms an image each, and an index of them, which then has the names. Working
 * containers are gone afterwards. E_DOCKERFILE, E_RUN with the command's exit code.
 */
export async function build(
  engine: Engine,
  from: BuildSource | SourceRequest,
  given: BuildOptions = {},
): Promise<Built> {
  const source = 'dockerfile' in from ? from : await openSource(engine, from);
  const dated = withEpoch(source, given, (undated) => planOf(source, undated));
  const options = isAttested(dated) ? await attesting(dated) : dated;
  const isLending = goesToRegistries(options) && !isIndexed(options) && !isAttested(options);
  return withImports(engine, options, (importing) =>
    withBases(importing, isLending, (lending) => attempt(lending, source, options)),
  );
}

async function attesting(options: BuildOptions): Promise<BuildOptions> {
  const { attestable } = await import('./provenance/outputs.ts');
  return attestable(options);
}

async function attempt(engine: Engine, source: BuildSource, options: BuildOptions): Promise<Built> {
  const stop = new AbortController();
  const signal = engine.signal ? AbortSignal.any([engine.signal, stop.signal]) : stop.signal;
  const own: Engine = {
    ...engine,
    signal,
    cache: options.layers !== false,
    refresh: options.noCache ?? false,
    cacheTtl: options.cache?.ttl ?? Number.POSITIVE_INFINITY,
    shared: { done: new Set<Digest>() },
  };
  const vault = openVault(options.secrets ?? new Map());
  const ahead = openAhead(own, options);
  const jobs = wantedPlatforms(options).map((platform) => {
    const one = { ...options, platform };
    return openJob(own, planOf(source, one), { source, options: one, vault, ahead });
  });
  tellUnknownStages(jobs[0]?.plan.stages ?? [], options.cache);
  const work = jobs.flatMap((job) => job.plan.order.map(({ index }) => ({ job, index })));
  let failed = true;
  try {
    await mapPool(work, options.jobs ?? 1, ({ job, index }) => job.stage(index));
    await ahead?.settle();
    const made = await finish(jobs, options, isIndexed(options));
    await writeCaches(jobs);
    failed = false;
    return made;
  } finally {
    stop.abort(new BldError('E_CANCELLED', 'another stage failed'));
    await Promise.allSettled([...jobs.flatMap((job) => job.running()), ahead?.settle()]);
    const kept = failed ? jobs.flatMap((job) => job.kept()?.id ?? []) : [];
    for (const container of jobs.flatMap((job) => job.containers)) {
      const isKept = kept.includes(container.id);
      if (!isKept) await remove({ ...container, engine });
      container.held?.[Symbol.dispose]();
      if (isKept) {
        engine.store.containers.keep(container.id);
        await keepLent(engine, container.id);
      }
    }
  }
}

/** One a job; undefined stands for the machine's own, not asked for. */
function wantedPlatforms({ platforms = [], platform }: BuildOptions): readonly (Platform | undefined)[] {
  return platforms.length > 0 ? platforms : [platform];
}

/** True when the build gives an index, be it of one image. */
function isIndexed({ platforms = [], buildArgs }: BuildOptions): boolean {
  return platforms.length > 1 || /^(?:1|t|true)$/i.test(buildArgs?.get('BUILDKIT_MULTI_PLATFORM') ?? '');
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
    targetPlatform: options.platform ?? options.platforms?.[0] ?? host,
    allStages: options.allStages ?? false,
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

/** Looked for where there is such a secret. */
function hostsOf(
  source: BuildSource,
  { plan, options: { secrets } }: { readonly plan: Plan; readonly options: BuildOptions },
): ReadonlySet<string> {
  const isGiven = secrets?.has('GIT_AUTH_TOKEN') || secrets?.has('GIT_AUTH_HEADER');
  return isGiven ? plainHosts(source, plan) : new Set();
}

interface Given {
  readonly source: BuildSource;
  readonly options: BuildOptions;
  readonly vault: Vault;
  readonly ahead: Ahead | undefined;
}

function openJob(own: Engine, plan: Plan, { source, options, vault, ahead }: Given): OpenJob {
  const materials: Material[] = [];
  const isTold = options.provenance !== undefined || options.tellProvenance !== undefined;
  const engine = isTold ? { ...own, onMaterial: (one: Material) => void materials.push(one) } : own;
  const built = new Map<number, Promise<BuiltStage>>();
  const contexts = new Map<string, Promise<NamedContext>>();
  const containers: Container[] = [];
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
    ahead,
    context: source,
    source,
    started: now(),
    materials,
    containers,
    done: new Map(),
    steps: new Map(),
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
    access: { ...accessOf(vault, options.ssh, false), plainHosts: hostsOf(source, { plan, options }) },
    label: (stage) => ({
      position: plan.order.indexOf(stage) + 1 || plan.order.length,
      count: plan.order.length,
      steps: stage.instructions.length + 1,
      name: stage.name,
      platform: isIndexed(options) && options.platform ? formatPlatform(options.platform) : undefined,
    }),
    isForeign: (stage) => options.platform !== undefined || stage.from.platform !== undefined,
  };
  return { ...job, running: () => [...built.values()], kept: () => kept };
}
