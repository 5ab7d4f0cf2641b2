import type { Agent } from 'node:http';
import { Readable } from 'node:stream';
import fetch from 'node-fetch';
import { NetworkFailure } from './errors.ts';

/** A body that can be opened again for a repetition; `length` in bytes. */
export interface Body {
  readonly length: number;
  readonly open: () => Readable | Buffer;
}

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
}

export interface Timing {
  /** The request fails when no byte moved for so long. */
  readonly idleTimeoutMs: number;
  /** The same, once the whole body is sent and the registry works on it. */
  readonly answerTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onClose?: (() => void) | undefined;
  /** Told of each exchange: its answer or its error. */
  readonly trace?: ((request: Request, outcome: unknown, ms: number) => void) | undefined;
}

/** An answer: its body is read to the end, or given up by `discard`; one of the two, always. */
export interface Answer {
  readonly status: number;
  readonly url: URL;
  readonly header: (name: string) => string | null;
  readonly headers: Iterable<readonly [string, string]>;
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the body up: a short rest is read so that the connection serves again, a long one closes it. */
  readonly discard: () => Promise<void>;
}

/** Ends the request when the network did nothing for some time; the time of slow readers and sources is not counted. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = () => this.#controller.abort();
  #timer: NodeJS.Timeout | undefined;
  #last = performance.now();
  #limit: number;
  #resting = false;
  #stopped = false;
  expired = false;

  constructor(limit: number, outer: AbortSignal | undefined) {
    this.#limit = limit;
    this.#outer = outer;
    if (outer?.aborted) this.#onAbort();
    outer?.addEventListener('abort', this.#onAbort, { once: true });
    this.#arm(limit);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on the network is waited for. The timer is not set anew: this is called for each chunk. */
  watch(limit = this.#limit): void {
    this.#last = performance.now();
    this.#resting = false;
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#arm(limit);
  }

  /** From now on somebody else is waited for. */
  rest(): void {
    this.#resting = true;
  }

  #arm(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return; // an answer may come and end before the request's body does
    this.#timer = setTimeout(() => {
      if (this.#resting) return this.#arm(this.#limit);
      const left = this.#last + this.#limit - performance.now();
      if (left > 1) return this.#arm(left);
      this.expired = true;
      this.#controller.abort();
    }, delay);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onAbort);
  }

  /** What really ended the request that threw `error`. */
  cause(error: unknown): unknown {
    if (this.#outer?.aborted) return this.#outer.reason;
    if (!this.expired) return networkFailure(error);
    return new NetworkFailure(`no byte moved for ${Math.round(this.#limit / 100) / 10} s`, 'ETIMEDOUT');
  }
}

/** node-fetch keeps of a system error its text and its code. */
function networkFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const [, reason = error.message] =
    /(?:, reason|while trying to fetch \S+): (.*)$/s.exec(error.message) ?? [];
  return new NetworkFailure(reason, code);
}

/** What a body's source threw, told apart from what the network did. */
interface SourceFailure {
  happened: boolean;
  error?: unknown;
}

async function* outgoing(source: Readable, watchdog: Watchdog, timing: Timing, failure: SourceFailure) {
  watchdog.rest();
  try {
    for await (const chunk of source) {
      watchdog.watch();
      yield chunk;
      watchdog.rest();
    }
  } catch (error) {
    failure.happened = true;
    failure.error = error;
    throw error;
  }
  watchdog.watch(timing.answerTimeoutMs);
}

async function* incoming(stream: Readable, watchdog: Watchdog): AsyncGenerator<Uint8Array> {
  watchdog.watch();
  try {
    for await (const chunk of stream) {
      watchdog.rest();
      yield chunk;
      watchdog.watch();
    }
  } catch (error) {
    throw watchdog.cause(error);
  }
}

const SHORT_REST = 64 * 1024;

async function discard(stream: Readable, watchdog: Watchdog): Promise<void> {
  try {
    let size = 0;
    for await (const chunk of incoming(stream, watchdog)) {
      size += chunk.length;
      if (size > SHORT_REST) break;
    }
  } catch {
    // nobody wants these bytes
  } finally {
    stream.destroy();
  }
}

/**
 * One exchange, no more: redirects, statuses and repetition are the caller's. Rejects with a NetworkFailure (so does the
 * answer's body), with the error of the request body's own source, or with the signal's reason. `onClose` is called once, when the connection is free or gone.
 */
export async function send(request: Request, agent: Agent, timing: Timing): Promise<Answer> {
  const watchdog = new Watchdog(timing.idleTimeoutMs, timing.signal);
  const failure: SourceFailure = { happened: false };
  const close = () => {
    watchdog.stop();
    timing.onClose?.();
  };
  const opened = request.body?.open() ?? null;
  const body =
    opened === null || Buffer.isBuffer(opened)
      ? opened
      : Readable.from(outgoing(opened, watchdog, timing, failure), { objectMode: false });
  const headers: Record<string, string> = { ...request.headers, 'accept-encoding': 'identity' };
  if (request.body) headers['content-length'] = String(request.body.length);
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers,
      body,
      agent,
      redirect: 'manual',
      compress: false,
      signal: watchdog.signal,
    });
    const stream = response.body instanceof Readable ? response.body : Readable.from([]);
    watchdog.rest();
    stream.once('close', close);
    return {
      status: response.status,
      url: request.url,
      header: (name) => response.headers.get(name),
      headers: response.headers,
      body: incoming(stream, watchdog),
      discard: () => discard(stream, watchdog),
    };
  } catch (error) {
    close();
    if (opened instanceof Readable) opened.destroy();
    throw failure.happened ? failure.error : watchdog.cause(error);
  }
}
