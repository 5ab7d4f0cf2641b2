import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { randomHex } from '../base/random.ts';
import { spawnHelper } from '../native/helper.ts';
import { type Fd, sys } from '../native/sys.ts';
import { createCgroups, removeCgroups } from './cgroup.ts';
import { encode } from './encode.ts';
import { explainExec } from './exec-failure.ts';
import { type Failure, failureError } from './failure.ts';
import { connectNetwork, networkPrograms } from './network.ts';
import type { RunResult, RunSpec } from './spec.ts';

const KILLED = 128;

/** What the helper told, gathered. */
class Outcome {
  failure: Failure | undefined;
  exitCode: number | undefined;
  signal: number | undefined;
  outOfMemory = false;
  #partial: { step?: string; errno?: string } = {};

  take(key: string, value: string): void {
    switch (key) {
      case 'warn':
        log.warn(value);
        break;
      case 'debug':
        log.debug(value);
        break;
      case 'fail':
        this.#partial = { step: value };
        break;
      case 'errno':
        this.#partial.errno = value;
        break;
      case 'text':
        // The first is the cause; what else fails is its consequence.
        this.failure ??= { step: this.#partial.step ?? '', errno: this.#partial.errno ?? '0', text: value };
        break;
      case 'oom':
        this.outOfMemory = true;
        break;
      case 'exit':
        this.exitCode = Number(value);
        break;
      case 'signal':
        this.signal = Number(value);
        break;
    }
  }
}

function cancelled(signal: AbortSignal): unknown {
  const { reason } = signal;
  if (reason instanceof BldError) return reason;
  return new BldError('E_CANCELLED', 'the command was stopped', { exitCode: 130, cause: reason });
}

function resultOf(outcome: Outcome, spec: RunSpec): RunResult {
  if (spec.signal?.aborted) throw cancelled(spec.signal);
  const { failure, exitCode, signal } = outcome;
  if (failure)
    throw failure.step === 'exec' ? explainExec(failure, spec.rootfs, spec.env) : failureError(failure);
  if (exitCode === undefined && signal === undefined) {
    throw new BldError('E_RUN', 'the sandbox of the command was killed from outside');
  }
  const limit = spec.resources.memory;
  return {
    exitCode: exitCode ?? KILLED + (signal ?? 0),
    ...(signal !== undefined && { signal }),
    ...(outcome.outOfMemory && {
      remark: `the kernel killed a process of the command: it ran out of memory${limit === undefined ? '' : ` (limit ${limit} bytes)`}`,
    }),
  };
}

/**
 * Runs one command to its end and that of all it left behind. `spec.rootfs` is used up, and closing it is left to the
 * caller. A command's failure is a result; E_RUN when it could not be started (exit code 1 when it is its program that
 * is missing), E_ENVIRONMENT when the machine denies what was asked for, E_CANCELLED after `spec.signal`.
 */
export async function runCommand(spec: RunSpec): Promise<RunResult> {
  const { network, signal } = spec;
  if (signal?.aborted) throw cancelled(signal);
  if (network.kind === 'private') networkPrograms(network.program);
  const opened: Fd[] = [];
  const outcome = new Outcome();
  let networkError: unknown;
  const cgroups = createCgroups(spec.resources, `bld-${process.pid}-${randomHex(4)}`);
  try {
    const wire = encode(spec, cgroups, opened);
    const connect = async (pid: number) => {
      if (network.kind !== 'private') return;
      try {
        await connectNetwork(pid, network, signal);
        helper.go();
      } catch (error) {
        networkError = error;
        helper.kill('SIGTERM');
      }
    };
    const helper = spawnHelper({
      stdio: spec.stdio,
      fds: wire.fds,
      spec: wire.bytes(),
      onReport: (key, value) => (key === 'pid' ? void connect(Number(value)) : outcome.take(key, value)),
    });
    const stop = () => helper.kill('SIGTERM');
    signal?.addEventListener('abort', stop);
    try {
      await helper.ended;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  } finally {
    for (const fd of opened) sys().close(fd);
    removeCgroups(cgroups); // the helper has, unless it was killed or never began
  }
  if (networkError !== undefined) throw networkError;
  return resultOf(outcome, spec);
}
