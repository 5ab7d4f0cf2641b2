import type { Digest } from '../../base/digest.ts';
import { log } from '../../base/log.ts';
import { platformOf } from '../../images/config.ts';
import { withSteps } from '../../images/step-document.ts';
import type { History, ImageConfig } from '../../images/types.ts';
import type { StepRecord } from '../../store/types.ts';
import { read } from '../container.ts';
import { isHere, isLentAlone } from '../step-lookup.ts';
import { writeCache } from './cache.ts';
import type { Job } from './job.ts';

/** Writes the steps of these builds, one a platform, to the places that their options name. */
export async function writeCaches(jobs: readonly Job[]): Promise<void> {
  const [first] = jobs;
  if (!first) return;
  for (const target of first.options.cache?.to ?? []) {
    const all = jobs.flatMap(allSteps);
    const layers = new Set<Digest>();
    for (const job of jobs) {
      const { container } = await job.stage(job.plan.target.index);
      for (const diffId of read(container).record.layers) layers.add(diffId);
    }
    const { container } = await first.stage(first.plan.target.index);
    const platform = platformOf(read(container).state.image);
    // a layer that was never needed may have been told in outline alone
    const goes = ({ diffId }: StepRecord) =>
      diffId !== null && (target.mode === 'max' ? !isOutline(first, diffId) : layers.has(diffId));
    await writeCache(first.engine, divided(all, goes), { ...target, platform });
  }
}

/** What puts the records of the image's own steps into its configuration; undefined where nobody asked for that. */
export function carriedBy(job: Job): ((config: ImageConfig) => ImageConfig) | undefined {
  if (!job.options.cache?.inline) return undefined;
  return (config) => {
    const layers = config.rootfs.diff_ids;
    const { steps, outlines } = divided(
      allSteps(job),
      ({ diffId }) => diffId !== null && layers.includes(diffId),
    );
    if (steps.length > 0) return withSteps(config, [...outlines, ...steps]);
    log.warn('the image carries no cache: none of its layers is that of a step');
    return config;
  };
}

/** Stage by stage, all that is known of steps. */
function allSteps({ plan, done }: Job): readonly StepRecord[] {
  return plan.order.flatMap(({ index }) => done.get(index) ?? []);
}

function isOutline({ engine }: Job, diffId: Digest): boolean {
  return !isHere(engine, diffId) && !isLentAlone(engine, diffId);
}

/** Each record once: in full where its layer goes along, else in outline: nothing of what it was given is told. */
function divided(all: readonly StepRecord[], goes: (step: StepRecord) => boolean) {
  const steps = once(all);
  return { steps: steps.filter(goes), outlines: steps.filter((step) => !goes(step)).map(outlineOf) };
}

function outlineOf({ result, ...record }: StepRecord): StepRecord {
  const { value, entry } = result as { readonly value: unknown; readonly entry: History };
  const { created } = entry;
  return { ...record, inputs: [], result: { value, entry: created === undefined ? {} : { created } } };
}

function once(steps: readonly StepRecord[]): readonly StepRecord[] {
  return [...new Map(steps.map((step) => [step.key, step])).values()];
}
