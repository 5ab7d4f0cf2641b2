import { setTimeout as sleep } from 'node:timers/promises';

/** Statuses that a later try may answer otherwise. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export function isPassing(status: number): boolean {
  return PASSING.has(status);
}

const LONGEST_STEP = 30_000;

/** Milliseconds before repetition `attempt` (0 for the first): doubled each time up to 30 s, half of it jitter. */
export function backoff(attempt: number, delayMs: number): number {
  const step = Math.min(delayMs * 2 ** attempt, LONGEST_STEP);
  return step / 2 + Math.random() * (step / 2);
}

/** The pause in milliseconds that a `Retry-After` value asks for (RFC 9110, 10.2.3), or undefined for none or junk. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d{1,12}\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) || !/[a-z]/i.test(value) ? undefined : Math.max(0, date - now);
}

export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (ms > 0)
    await sleep(ms, undefined, signal ? { signal } : undefined).catch(() => signal?.throwIfAborted());
}

/** Holds back every request to a host that asked for a pause, so that parallel work does not each learn it anew. */
export class Gate {
  #until = 0;

  closeFor(ms: number): void {
    this.#until = Math.max(this.#until, performance.now() + ms);
  }

  /** Returns when the gate is open, a little apart from the others that wait. */
  async pass(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const left = this.#until - performance.now();
      if (left <= 0) return;
      await pause(left + Math.random() * Math.min(250, left / 10), signal);
    }
  }
}

/** At most `limit` at once; the others wait in their order. */
export class Lane {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(limit: number) {
    this.#free = limit;
  }

  /** A place; the returned function gives it back, once. */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
