import type { Digest } from '../../base/digest.ts';
import { log } from '../../base/log.ts';
import type { StageBase } from '../../dockerfile/plan.ts';
import { platformOf } from '../../images/config.ts';
import { withSteps } from '../../images/step-document.ts';
import type { ImageConfig } from '../../images/types.ts';
import type { StepRecord } from '../../store/types.ts';
import { read } from '../container.ts';
import { writeCache } from './cache.ts';
import type { Job } from './job.ts';

/** Writes the steps of these builds, one a platform, to the places that their options name. */
export async function writeCaches(jobs: readonly Job[]): Promise<void> {
  const [first] = jobs;
  if (!first) return;
  for (const target of first.options.cache?.to ?? []) {
    const steps: StepRecord[] = [];
    for (const job of jobs) steps.push(...(target.mode === 'max' ? allSteps(job) : await imageSteps(job)));
    const { container } = await first.stage(first.plan.target.index);
    const platform = platformOf(read(container).state.image);
    await writeCache(first.engine, once(steps), { ...target, platform });
  }
}

/** What puts the records of the image's own steps into its configuration; undefined where nobody asked for that. */
export function carriedBy(job: Job): ((config: ImageConfig) => ImageConfig) | undefined {
  if (!job.options.cache?.inline) return undefined;
  return (config) => {
    const steps = stepsWithin(job, config.rootfs.diff_ids);
    if (steps.some(({ diffId }) => diffId !== null)) return withSteps(config, steps);
    log.warn('the image carries no cache: none of its layers is that of a step');
    return config;
  };
}

/** Each record once, stage by stage. */
function allSteps({ plan, done }: Job): readonly StepRecord[] {
  return once(plan.order.flatMap(({ index }) => done.get(index) ?? []));
}

async function imageSteps(job: Job): Promise<readonly StepRecord[]> {
  const { container } = await job.stage(job.plan.target.index);
  return stepsWithin(job, read(container).record.layers);
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
