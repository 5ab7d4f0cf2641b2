import { closeSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import { installRoot } from './install.ts';
import { type Fd, sys } from './sys.ts';

/** Descriptor numbers in the helper: the channel, then the descriptors passed on. */
export const FIRST_PASSED_FD = 4;

export interface HelperOptions {
  readonly stdio: readonly [Fd | 'inherit' | 'ignore', Fd | 'inherit' | 'ignore', Fd | 'inherit' | 'ignore'];
  /** Become FIRST_PASSED_FD and on; they stay open here. */
  readonly fds: readonly Fd[];
  /** Goes over the channel, after its length. */
  readonly spec: Buffer;
  /** What the helper tells, as it comes (native/overlay/report.h). */
  readonly onReport: (key: string, value: string) => void;
}

export interface Helper {
  /** A byte on the channel: what the helper waits for is there. */
  go(): void;
  /** Nothing after its end. */
  kill(signal: NodeJS.Signals): void;
  /** After the helper's end and its last report. */
  readonly ended: Promise<void>;
}

/** Splits `key NUL value NUL` pairs, however the bytes are cut. */
function reportReader(onReport: HelperOptions['onReport']): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (;;) {
      const first = rest.indexOf(0);
      const second = first < 0 ? -1 : rest.indexOf(0, first + 1);
      if (second < 0) return;
      onReport(rest.toString('utf8', 0, first), rest.toString('utf8', first + 1, second));
      rest = rest.subarray(second + 1);
    }
  };
}

const NUMBERS = [0, 1, 2] as const;

/** Writes all of it; a helper that has ended takes nothing more: its last report, or `ended`, tells why. */
function tellHelper(channel: Fd, bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(channel, bytes, at);
  } catch (error) {
    if (!isErrno(error, 'EPIPE', 'ECONNRESET')) throw error;
  }
}

/** Starts `bld-helper run`; E_ENVIRONMENT when that cannot be. The helper ends with this process, whatever ends it. */
export function spawnHelper(options: HelperOptions): Helper {
  const program = join(installRoot(), 'native/overlay/build/bld-helper');
  const read = reportReader(options.onReport);
  const stdio = NUMBERS.map((number) => {
    const given = options.stdio[number];
    return given === 'inherit' ? number : given === 'ignore' ? -1 : given;
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let running = true;
  let started: readonly [pid: number, channel: Fd];
  try {
    started = sys().startProcess(program, 'run', [...stdio, ...options.fds], (said) => {
      if (said) {
        read(said);
        return;
      }
      running = false;
      closeSync(channel);
      resolve();
    });
  } catch (cause) {
    throw new BldError('E_ENVIRONMENT', `starting ${program}: ${(cause as Error).message}`, { cause });
  }
  const [pid, channel] = started;
  const length = Buffer.alloc(4);
  length.writeUInt32LE(options.spec.length);
  tellHelper(channel, Buffer.concat([length, options.spec]));
  return {
    go() {
      if (running) tellHelper(channel, Buffer.from('g'));
    },
    kill(signal) {
      if (!running) return;
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (!isErrno(error, 'ESRCH')) throw error; // it has ended, and the word of that is on its way
      }
    },
    ended,
  };
}
