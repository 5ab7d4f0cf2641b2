import { Readable } from 'node:stream';
import { BldError, explain } from '../base/errors.ts';

/** A failed copy, with the side that failed; code and hint are those of the cause. */
export class CopyError extends BldError {
  readonly side: 'source' | 'destination';

  constructor(side: 'source' | 'destination', label: string, cause: BldError) {
    const head = side === 'source' ? `reading ${label}` : `writing ${label}`;
    super(cause.code, cause.message.includes(label) ? cause.message : `${head}: ${cause.message}`, {
      cause,
      exitCode: cause.exitCode,
      ...(cause.hint !== undefined && { hint: cause.hint }),
    });
    this.side = side;
  }
}

/** The error that leaves the copy: with its side, unless it has one already. */
export function copyError(side: 'source' | 'destination', label: string, error: unknown): unknown {
  const known = explain(error, 'system error');
  return known instanceof BldError && !(known instanceof CopyError)
    ? new CopyError(side, label, known)
    : known;
}

/** Runs `work`; what fails in it is the source's failure. */
export async function reading<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw copyError('source', label, error);
  }
}

/** Runs `work`; what fails in it is the destination's failure, but for what a stream of the source threw. */
export async function writing<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw copyError('destination', label, error);
  }
}

/** The stream; what it throws is the source's failure. */
export function sided(stream: Readable, label: string): Readable {
  return Readable.from(relay(stream, label), { objectMode: false });
}

async function* relay(stream: Readable, label: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    throw copyError('source', label, error);
  }
}
