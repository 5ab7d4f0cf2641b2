import type { BuildEvent } from '../../builder/build.ts';
import { type Clock, stageKey } from './view.ts';

/** What a stage that waits may say before it is shown between two steps' lines. */
const LARGEST_WAIT = 256 * 1024;

interface Waiting {
  readonly events: { readonly event: BuildEvent; readonly at: number }[];
  bytes: number;
}

/**
 * Passes events on so that the steps of stages that go on at the same time come one after the other: the step in front
 * at once, others when it has ended, or when they have said a lot. `flush` passes on what still waits; `now` is the time
 * at which the event that is passed on came.
 */
export function inOrder(show: (event: BuildEvent) => void, clock: Clock) {
  const waiting = new Map<string, Waiting>();
  let front: string | undefined;
  let came: number | undefined;

  const pass = (key: string, event: BuildEvent, at = clock()) => {
    came = at;
    show(event);
    came = undefined;
    if (event.kind === 'done') front = undefined;
    else if (event.kind === 'step') front = key;
  };
  /** All that a stage has said so far; true when a step of it is still going on. */
  const release = (key: string): boolean => {
    const { events } = waiting.get(key) ?? { events: [] };
    waiting.delete(key);
    for (const { event, at } of events) pass(key, event, at);
    return front !== undefined;
  };
  return {
    event(event: BuildEvent): void {
      const key = stageKey(event.stage);
      // bytes are no lines: they need not wait
      if (front === undefined || front === key || event.kind === 'transfer') {
        pass(key, event);
        for (const next of front === undefined ? [...waiting.keys()] : []) if (release(next)) break;
        return;
      }
      const queue = waiting.get(key) ?? { events: [], bytes: 0 };
      waiting.set(key, queue);
      queue.events.push({ event, at: clock() });
      if (event.kind === 'output') queue.bytes += event.chunk.length;
      if (queue.bytes > LARGEST_WAIT && release(key)) front = key;
    },
    now: () => came ?? clock(),
    flush(): void {
      for (const key of [...waiting.keys()]) release(key);
    },
  };
}
