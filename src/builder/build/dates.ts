import type { History, ImageConfig } from '../../images/types.ts';
import { now } from '../clock.ts';
import { type Container, changeState, read } from '../container.ts';

/** Gives a date to each entry of the history that a build made; the last one, which is the image's. */
export async function dateHistory(container: Container): Promise<string> {
  await changeState(container, (state) => ({ ...state, image: dated(state.image, state.base.history) }));
  const { history = [] } = read(container).state.image;
  return history.findLast(({ created }) => created !== undefined)?.created ?? now();
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
