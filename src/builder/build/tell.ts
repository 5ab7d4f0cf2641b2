import type { Digest } from '../../base/digest.ts';
import { BldError, type Spot } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import type { Node } from '../../dockerfile/parse.ts';
import type { Stage } from '../../dockerfile/plan.ts';
import type { StepRecord } from '../../store/types.ts';
import { type Container, read } from '../container.ts';
import type { Engine } from '../engine.ts';
import type { Leak } from '../leaks.ts';
import { spotOf, stepText } from './failure.ts';
import type { Job, ToldStep } from './job.ts';
import type { StageLabel } from './types.ts';

/** Tells what one stage does: its steps as they begin and end, and what moves for them. */
export interface Teller {
  /** The engine to do the stage's work with. */
  readonly engine: Engine;
  /** Where the stage is: what its events carry. */
  readonly now: () => { readonly stage: StageLabel; readonly number: number };
  /** The container whose layers the steps make; the stage's total of steps, when it is known better. */
  opened(container: Container, steps: number): void;
  /** Does a step between the words that it begins and that it ended. */
  step<T>(node: Node, work: () => Promise<T>): Promise<T>;
}

interface LayerStep {
  /** Undefined for a step that makes no layer. */
  top: Digest | null | undefined;
  replayed: boolean;
}

/** A teller for the stage; with nobody to listen it does the work alone. */
export function openTeller(job: Job, stage: Stage): Teller {
  const tell = job.options.onEvent ?? (() => {});
  let container: Container | undefined;
  let label = job.label(stage);
  let number = 0;
  const layer: LayerStep = { top: undefined, replayed: false };
  const now = () => ({ stage: label, number });
  let spot: Spot | undefined;
  const where = () =>
    `stage ${label.name ?? label.position}, step ${number}${spot ? ` (${spot.file}:${spot.line})` : ''}`;
  const done: StepRecord[] = [];
  job.done.set(stage.index, done);
  const steps: ToldStep[] = [];
  job.steps.set(stage.index, steps);
  const engine: Engine = {
    ...job.engine,
    refresh: job.engine.refresh || isRefreshed(job, stage),
    onStep({ replayed, records }) {
      done.push(...records);
      steps.at(-1)?.records.push(...records);
      const layers = container ? read(container).record.layers : [];
      layer.top = layers.at(-1) ?? null;
      job.ahead?.made(job.plan, stage, layers);
      layer.replayed = replayed;
    },
    watch: {
      needles: job.vault.needles,
      found: (leaks) => tellLeaks(leaks, job.options.failOnSecret ?? false, where()),
    },
    ...(job.options.onEvent && {
      progress: (event) => tell({ kind: 'transfer', ...now(), event }),
    }),
  };
  return {
    engine,
    now,
    opened(made, steps) {
      container = made;
      label = { ...label, steps };
    },
    async step(node, work) {
      number += 1;
      spot = spotOf(node);
      steps.push({ node, records: [] });
      layer.top = undefined;
      layer.replayed = false;
      tell({ kind: 'step', ...now(), text: stepText(node), place: spot });
      try {
        const result = await work();
        tell({ kind: 'done', ...now(), how: layer.replayed ? 'cached' : 'done', top: layer.top });
        return result;
      } catch (error) {
        const isCancelled = error instanceof BldError && error.code === 'E_CANCELLED';
        const said = error instanceof Error ? error.message.split('\n', 1)[0] : undefined;
        tell({ kind: 'done', ...now(), how: isCancelled ? 'cancelled' : 'failed', error: said });
        throw error;
      }
    },
  };
}

/** `--no-cache-filter` names the stage. */
function isRefreshed({ options }: Job, { name, index }: Stage): boolean {
  const wanted = options.cache?.noCacheFor ?? [];
  return wanted.some((text) => text === String(index) || text.toLowerCase() === name?.toLowerCase());
}

/** Each secret in a layer is a warning; with `isError` all are E_SECRET. */
function tellLeaks(leaks: readonly Leak[], isError: boolean, where: string): void {
  const said = leaks.map(
    ({ secret, path }) => `${where}: ${path} in the layer holds secret ${JSON.stringify(secret)}`,
  );
  if (isError) {
    throw new BldError('E_SECRET', said.join('\n'), {
      hint: 'remove the file in the step that makes it; the image was not made',
    });
  }
  for (const line of said) log.warn(line);
}
