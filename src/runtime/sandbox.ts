import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { environment } from '../native/environment.ts';
import { spawnHelper } from '../native/helper.ts';
import { type Fd, sys } from '../native/sys.ts';
import { capabilityMask } from './capabilities.ts';
import { createCgroups } from './cgroup.ts';
import { emulation } from './emulation.ts';
import { explainExec } from './exec-failure.ts';
import { type Failure, failureError } from './failure.ts';
import { connectNetwork, networkProgram } from './network.ts';
import { rlimitNumber, rlimitValue } from './rlimits.ts';
import { seccompFilter } from './seccomp.ts';
import type { NamespaceMode, RunMount, RunResult, RunSpec } from './spec.ts';
import { Wire } from './wire.ts';

const KILLED = 128;

function putNamespace(wire: Wire, kind: string, mode: NamespaceMode): void {
  if (mode.kind === 'private') wire.put('new', kind);
  if (mode.kind === 'path') wire.put('join', mode.path);
}

function putNamespaces(wire: Wire, spec: RunSpec): void {
  putNamespace(wire, 'pid', spec.pid);
  putNamespace(wire, 'ipc', spec.ipc);
  putNamespace(wire, 'uts', spec.uts);
  putNamespace(wire, 'cgroup', spec.cgroup);
  const { network } = spec;
  if (network.kind === 'path') wire.put('join', network.path);
  if (network.kind === 'none' || network.kind === 'private') wire.put('new', 'net');
  wire.flag('waitForNetwork', network.kind === 'private');
}

/** The overlay of a `:O` bind, made here: the helper knows detached mounts alone. */
function mountScratch(mount: Extract<RunMount, { kind: 'overlay' }>): Fd {
  const [upper, work] = [join(mount.scratch, 'upper'), join(mount.scratch, 'work')];
  for (const path of [upper, work]) mkdirSync(path, { recursive: true });
  return sys().mountOverlay({ lower: [mount.source], upper, work, userxattr: environment().userxattr });
}

function putMount(wire: Wire, mount: RunMount, opened: Fd[]): void {
  wire.put('mount.target', mount.target);
  if (mount.kind === 'overlay') {
    const fd = mountScratch(mount);
    opened.push(fd);
    wire.descriptor('mount.fd', fd);
    return;
  }
  wire.flag('mount.readonly', mount.readonly);
  for (const option of mount.options ?? []) wire.flag(`mount.${option}`, true);
  if (mount.kind === 'tmpfs') {
    wire.put('mount.tmpfs');
    wire.optional('mount.size', mount.size);
    wire.optional('mount.mode', mount.mode?.toString(8));
    return;
  }
  wire.flag('mount.recursive', mount.recursive);
  wire.optional('mount.propagation', mount.propagation);
  if (typeof mount.source === 'number') wire.descriptor('mount.fd', mount.source);
  else wire.put('mount.source', mount.source);
}

const FILES = [
  ['/etc/hosts', 'hosts'],
  ['/etc/resolv.conf', 'resolvConf'],
  ['/etc/hostname', 'hostname'],
] as const;

/** Outer mount points first: what is mounted later lies on top. */
function putMounts(wire: Wire, spec: RunSpec, opened: Fd[]): void {
  const depth = (path: string) => path.split('/').filter((part) => part !== '' && part !== '.').length;
  const list: { readonly depth: number; put(): void }[] = [];
  for (const [target, name] of FILES) {
    const text = spec.files[name];
    if (text === undefined || spec.mounts.some((mount) => mount.target === target)) continue;
    const put = () => {
      wire.put('mount.target', target);
      wire.put('mount.text', text);
    };
    list.push({ depth: depth(target), put });
  }
  for (const mount of spec.mounts)
    list.push({ depth: depth(mount.target), put: () => putMount(wire, mount, opened) });
  for (const device of spec.devices) {
    const mount: RunMount = {
      kind: 'bind',
      source: device.source,
      target: device.target,
      readonly: !device.permissions.includes('w'),
      recursive: false,
    };
    list.push({ depth: depth(device.target), put: () => putMount(wire, mount, opened) });
  }
  for (const entry of list.sort((a, b) => a.depth - b.depth)) entry.put();
}

function putEmulation(wire: Wire): void {
  const { notify, instead, calls } = emulation();
  wire.put('emulate');
  wire.put('notifyFilter', notify);
  wire.put('insteadFilter', instead);
  for (const call of calls) wire.put('emulated', call);
}

function putIdentity(wire: Wire, spec: RunSpec): void {
  wire.put('uid', spec.uid);
  wire.put('gid', spec.gid);
  for (const group of spec.groups) wire.put('group', group);
  wire.put('capabilities', capabilityMask(spec.capabilities));
  wire.flag('noNewPrivileges', spec.noNewPrivileges);
  const filter = seccompFilter(spec.seccomp, spec.capabilities);
  if (environment().owners === 'xattr') putEmulation(wire);
  if (filter) wire.put('filter', filter);
  for (const limit of spec.rlimits) {
    wire.put('rlimit', rlimitNumber(limit.name));
    wire.put('rlimit.soft', rlimitValue(limit.soft));
    wire.put('rlimit.hard', rlimitValue(limit.hard));
  }
}

/** `opened` gets the descriptors that were made for the message: close them when the helper has them. */
function encode(spec: RunSpec, cgroups: readonly string[], opened: Fd[]): Wire {
  const wire = new Wire();
  wire.descriptor('rootfs', spec.rootfs);
  if (spec.ownersLog !== undefined) wire.descriptor('ownersLog', spec.ownersLog);
  for (const word of spec.argv) wire.put('argv', word);
  for (const entry of spec.env) wire.put('env', entry);
  wire.put('cwd', spec.cwd);
  wire.put('hostname', spec.hostname);
  wire.optional('domainname', spec.domainname);
  wire.put('shmSize', spec.shmSize);
  wire.put('umask', spec.umask);
  wire.optional('oomScoreAdj', spec.oomScoreAdj);
  wire.flag('masked', spec.masked === 'default');
  wire.flag('tty', spec.tty);
  wire.flag('keepMountPoints', spec.keepMountPoints);
  putIdentity(wire, spec);
  putNamespaces(wire, spec);
  putMounts(wire, spec, opened);
  for (const directory of cgroups) wire.put('cgroup', directory);
  return wire;
}

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
  if (network.kind === 'private') networkProgram(network.program);
  const opened: Fd[] = [];
  const outcome = new Outcome();
  let networkError: unknown;
  try {
    const cgroups = createCgroups(spec.resources, `bld-${process.pid}-${randomBytes(4).toString('hex')}`);
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
  }
  if (networkError !== undefined) throw networkError;
  return resultOf(outcome, spec);
}
