import { setImmediate as turn } from 'node:timers/promises';

/** Milliseconds of work in one go: then signals are heard, and progress is drawn. */
const SPELL = 50;

/** A point to pass often: now and then it lets other things happen. Throws the signal's reason once it is aborted. */
export function pacer(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let begun = Date.now();
  return () => {
    const now = Date.now();
    if (now >= begun && now - begun < SPELL) return undefined;
    return turn().then(() => {
      begun = Date.now();
      signal?.throwIfAborted();
    });
  };
}

/** One step of synchronous work: done, or waiting for something that goes on beside it. */
export type Step = Promise<void> | undefined | void;

/** Does work to its end, step by step; the signal's abort stops it between two steps, never while one waits. */
export async function paced(steps: Iterable<Step>, signal: AbortSignal | undefined): Promise<void> {
  const pass = pacer(signal);
  for (const step of steps) {
    if (step) await step;
    const pause = pass();
    if (pause) await pause;
  }
}

/** The same chunks, until the signal's abort. */
export async function* pacedChunks<T>(
  chunks: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const pass = pacer(signal);
  for await (const chunk of chunks) {
    await pass();
    yield chunk;
  }
}
