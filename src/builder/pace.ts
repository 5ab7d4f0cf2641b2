import { setImmediate as turn } from 'node:timers/promises';

/** Milliseconds of work in one go: then signals are heard, and progress is drawn. */
const SPELL = 50;

/** A point to pass often: now and then it lets other things happen. Throws the signal's reason once it is aborted. */
export function pacer(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let begun = performance.now();
  return () => {
    if (performance.now() - begun < SPELL) return undefined;
    return turn().then(() => {
      begun = performance.now();
      signal?.throwIfAborted();
    });
  };
}

/** Does synchronous work to its end, step by step; the signal's abort stops it between two steps. */
export async function paced(steps: Iterable<unknown>, signal: AbortSignal | undefined): Promise<void> {
  const pass = pacer(signal);
  for (const _ of steps) await pass();
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
