import type { Digest } from '../../base/digest.ts';
import { log } from '../../base/log.ts';
import type { StageBase } from '../../dockerfile/plan.ts';
import { platformOf } from '../../images/config.ts';
import { appendHistory, changeSettings } from '../../images/mutate.ts';
import { withSteps } from '../../images/step-document.ts';
import type { History, ImageConfig } from '../../images/types.ts';
import type { StepRecord } from '../../store/types.ts';
import { now } from '../clock.ts';
import { type Committed, commitSealed } from '../commit.ts';
import { changeState, read } from '../container.ts';
import { writeCache } from './cache.ts';
import type { BuiltStage, Job } from './job.ts';
import { COMMENT } from './stage.ts';

/** Makes the image of the target stage: labels of the command line, dates, names; then writes the caches. */
export async function finish(job: Job, { container }: BuiltStage): Promise<Committed> {
  const { to = [], inline = false } = job.options.cache ?? {};
  const { options } = job;
  const labels = options.labels ?? {};
  if (Object.keys(labels).length > 0) {
    const words = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    await changeState(container, (state) => {
      const all = { ...state.image.config?.Labels, ...labels };
      const entry = { created_by: `LABEL ${words.join(' ')}`, comment: COMMENT };
      return { ...state, image: appendHistory(changeSettings(state.image, { Labels: all }), entry) };
    });
  }
  await changeState(container, (state) => ({ ...state, image: dated(state.image, state.base.history) }));
  const { image } = read(container).state;
  const created = image.history?.findLast((entry) => entry.created !== undefined)?.created ?? now();
  const { layers } = read(container).record;
  const made = await commitSealed(
    container,
    { names: options.names ?? [], outside: options.destinations ?? [] },
    { ...options.commit, created, carried: inline ? (config) => carrying(job, config) : undefined },
  );
  for (const target of to) {
    const steps = target.mode === 'max' ? allSteps(job) : stepsWithin(job, layers);
    await writeCache(job.engine, steps, { ...target, platform: platformOf(image) });
  }
  return made;
}

/** The configuration with the records of the steps that its layers are of. */
function carrying(job: Job, config: ImageConfig): ImageConfig {
  const steps = stepsWithin(job, config.rootfs.diff_ids);
  if (!steps.some(({ diffId }) => diffId !== null)) {
    log.warn('the image carries no cache: none of its layers is that of a step');
    return config;
  }
  return withSteps(config, steps);
}

/** Each record once, stage by stage. */
function allSteps({ plan, done }: Job): readonly StepRecord[] {
  return once(plan.order.flatMap(({ index }) => done.get(index) ?? []));
}

/** Those of the target stage, and of the stages that it stands on, whose layers are among these. */
function stepsWithin({ plan, done }: Job, layers: readonly Digest[]): readonly StepRecord[] {
  const chain: StepRecord[][] = [];
  let index: number | undefined = plan.target.index;
  while (index !== undefined) {
    chain.unshift(done.get(index) ?? []);
    const base: StageBase | undefined = plan.stages[index]?.base;
    index = base?.kind === 'stage' ? base.index : undefined;
  }
  return once(chain.flat().filter(({ diffId }) => diffId === null || layers.includes(diffId)));
}

function once(steps: readonly StepRecord[]): readonly StepRecord[] {
  return [...new Map(steps.map((step) => [step.key, step])).values()];
}

/**
 * The history with dates for entries that made no layer: that of the layer before, or of the first new one after, so
 * that a build from the cache gives the same image again.
 */
function dated(image: ImageConfig, inherited: number): ImageConfig {
  const history = image.history ?? [];
  const own = history.slice(inherited);
  const base = history.slice(0, inherited).findLast(({ created }) => created !== undefined)?.created;
  let last = own.find(({ created }) => created !== undefined)?.created ?? base ?? image.created ?? now();
  const dated = own.map((entry): History => {
    last = entry.created ?? last;
    return { ...entry, created: last };
  });
  return { ...image, history: [...history.slice(0, inherited), ...dated] };
}
