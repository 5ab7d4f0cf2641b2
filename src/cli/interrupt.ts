import { BldError } from '../base/errors.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
export type Interruption = keyof typeof EXIT_CODES;

/** How long interrupted work may take to clean up. */
const GRACE = 10_000;

/**
 * What signals do: the first aborts `signal`, so that work ends in order; a second one, ten more seconds, or work that
 * listens to no signal end the process at once.
 */
export interface Interrupts {
  readonly signal: AbortSignal;
  /** Set once a signal came: what the command then fails with. */
  readonly reason: BldError | undefined;
  arrive(name: Interruption): void;
}

/** `exit` ends the process; called for a second signal, or when nobody has asked for `signal`. */
export function watchInterrupts(exit: (code: number) => void): Interrupts {
  let controller: AbortController | undefined;
  let reason: BldError | undefined;
  return {
    get signal() {
      controller ??= new AbortController();
      return controller.signal;
    },
    get reason() {
      return reason;
    },
    arrive(name) {
      const exitCode = EXIT_CODES[name];
      if (reason || !controller) return exit(exitCode);
      reason = new BldError('E_CANCELLED', `interrupted by ${name}`, { exitCode });
      setTimeout(() => exit(exitCode), GRACE).unref();
      controller.abort(reason);
    },
  };
}
