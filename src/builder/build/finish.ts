import { appendHistory, changeSettings } from '../../images/mutate.ts';
import type { History, ImageConfig } from '../../images/types.ts';
import { now } from '../clock.ts';
import { type Committed, commitSealed } from '../commit.ts';
import { changeState, read } from '../container.ts';
import type { BuiltStage, Job } from './job.ts';
import { carriedBy } from './kept-steps.ts';
import { COMMENT } from './stage.ts';

/** Makes the image of the target stage: labels of the command line, dates, names. */
export async function finish(job: Job, { container }: BuiltStage): Promise<Committed> {
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
  return commitSealed(
    container,
    { names: options.names ?? [], outside: options.destinations ?? [] },
    { ...options.commit, created, carried: carriedBy(job) },
  );
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
