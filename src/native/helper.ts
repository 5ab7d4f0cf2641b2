import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { BldError } from '../base/errors.ts';
import { installRoot } from './install.ts';
import type { Fd } from './sys.ts';

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
  kill(signal: NodeJS.Signals): void;
  /** After the helper's end and its last report. Rejects with E_ENVIRONMENT when it could not be started. */
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

/** Starts `bld-helper run`. The helper ends with this process, whatever ends it. */
export function spawnHelper(options: HelperOptions): Helper {
  const program = join(installRoot(), 'native/overlay/build/bld-helper');
  const child = spawn(program, ['run'], {
    stdio: [...options.stdio, 'pipe', ...options.fds],
    env: {},
    windowsHide: false,
  });
  const channel = child.stdio[3] as Duplex | null | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new BldError('E_ENVIRONMENT', `starting ${program}: ${cause.message}`, { cause }));
    });
    child.once('close', () => resolve());
  });
  if (channel) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(options.spec.length);
    channel.on('data', reportReader(options.onReport));
    // The helper's early end: its last report, or `ended`, tells why.
    channel.on('error', () => {});
    channel.write(Buffer.concat([length, options.spec]));
  }
  return {
    go: () => channel?.write('g'),
    kill: (signal) => child.kill(signal),
    ended,
  };
}
