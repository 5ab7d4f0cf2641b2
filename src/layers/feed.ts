import type { Writable } from 'node:stream';

export interface Fed {
  /** Bytes taken from the source. */
  readonly taken: number;
  /** False when the stream was gone before the source had ended. */
  readonly whole: boolean;
}

/**
 * Writes the source into a stream that somebody else reads from, with backpressure, and ends it. Stops early, without
 * an error, when the stream has ended or is gone; a failing source destroys the stream with its error and throws it.
 * Await the result also when the reader has failed, or catch it at once.
 */
export async function feed(source: AsyncIterable<Uint8Array>, stream: Writable): Promise<Fed> {
  let taken = 0;
  let gone = false;
  let wake = () => {};
  const leave = () => {
    gone = true;
    wake();
  };
  stream.on('drain', () => wake());
  // 'end': a decoder that has seen the end of its data calls no write back any more
  for (const event of ['end', 'close', 'error'] as const) stream.on(event, leave);
  try {
    for await (const chunk of source) {
      taken += chunk.length;
      if (gone) return { taken, whole: false };
      if (stream.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (gone) resolve();
      });
    }
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
  stream.end();
  return { taken, whole: true };
}
