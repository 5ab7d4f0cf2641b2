import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import type { Resources } from './spec.ts';

/** A file of a controller and what goes in. */
interface Setting {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

const MOUNT = '/sys/fs/cgroup';
const HINT =
  'as root it works; otherwise start bld in a delegated cgroup: systemd-run --user --scope -p Delegate=yes bld …';

/** v1: https://docs.kernel.org/admin-guide/cgroup-v1/ */
export function settingsV1(limits: Resources): Setting[] {
  const list: Setting[] = [];
  const add = (controller: string, file: string, value: number | string | undefined) => {
    if (value !== undefined) list.push({ controller, file: `${controller}.${file}`, value: String(value) });
  };
  add('memory', 'limit_in_bytes', limits.memory);
  add('memory', 'memsw.limit_in_bytes', limits.memorySwap);
  add('cpu', 'cfs_period_us', limits.cpuPeriod);
  add('cpu', 'cfs_quota_us', limits.cpuQuota);
  add('cpu', 'shares', limits.cpuShares);
  add('cpuset', 'cpus', limits.cpusetCpus);
  add('cpuset', 'mems', limits.cpusetMems);
  add('pids', 'max', limits.pidsLimit === undefined || limits.pidsLimit > 0 ? limits.pidsLimit : 'max');
  return list;
}

/** The runtime specification's conversion of shares (2..262144) to weight (1..10000). */
export function cpuWeight(shares: number): number {
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262144) - 2) * 9999) / 262142);
}

/** v2: https://docs.kernel.org/admin-guide/cgroup-v2.html */
export function settingsV2(limits: Resources): Setting[] {
  const list: Setting[] = [];
  const add = (controller: string, file: string, value: number | string | undefined) => {
    if (value !== undefined) list.push({ controller, file: `${controller}.${file}`, value: String(value) });
  };
  const { memory, memorySwap, cpuQuota, cpuPeriod, cpuShares } = limits;
  add('memory', 'max', memory);
  if (memorySwap !== undefined)
    add('memory', 'swap.max', memorySwap < 0 ? 'max' : Math.max(0, memorySwap - (memory ?? 0)));
  if (cpuQuota !== undefined || cpuPeriod !== undefined) {
    add('cpu', 'max', `${cpuQuota !== undefined && cpuQuota > 0 ? cpuQuota : 'max'} ${cpuPeriod ?? 100_000}`);
  }
  add('cpu', 'weight', cpuShares === undefined ? undefined : cpuWeight(cpuShares));
  add('cpuset', 'cpus', limits.cpusetCpus);
  add('cpuset', 'mems', limits.cpusetMems);
  add('pids', 'max', limits.pidsLimit === undefined || limits.pidsLimit > 0 ? limits.pidsLimit : 'max');
  return list;
}

/** Where this process is, by controller; '' is the unified hierarchy. */
export function ownCgroups(
  text: string = readFileSync('/proc/self/cgroup', 'utf8'),
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of text.trim().split('\n')) {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) found.set(controller, path);
  }
  return found;
}

function writeLimit(directory: string, setting: Setting): void {
  try {
    writeFileSync(join(directory, setting.file), setting.value);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new BldError('E_ENVIRONMENT', `cannot set ${setting.file} to ${setting.value}: ${error.message}`, {
      cause: error,
      hint: isErrno(error, 'EACCES', 'EPERM', 'ENOENT', 'EROFS')
        ? HINT
        : 'the kernel does not take this value',
    });
  }
}

function makeCgroup(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new BldError(
      'E_ENVIRONMENT',
      `limits were asked for, and no cgroup can be made: ${error.message}`,
      {
        cause: error,
        hint: HINT,
      },
    );
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Own and inherited values: a new v1 cpuset is empty, and nothing may run in it. */
function inheritCpuset(directory: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const path = join(directory, file);
    if (!existsSync(path) || readFileSync(path, 'utf8').trim() !== '') continue;
    writeFileSync(path, readFileSync(join(dirname(directory), file)));
  }
}

function createV1(
  limits: Resources,
  name: string,
  own: ReadonlyMap<string, string>,
  mount: string,
): string[] {
  const settings = settingsV1(limits);
  const made: string[] = [];
  for (const controller of new Set(settings.map((setting) => setting.controller))) {
    const parent = limits.cgroupParent ?? own.get(controller) ?? '/';
    const directory = join(mount, controller, parent, name);
    makeCgroup(directory);
    made.push(directory);
    if (controller === 'cpuset') inheritCpuset(directory);
    // memory before memory + swap: the kernel keeps the first below the second.
    for (const setting of settings) if (setting.controller === controller) writeLimit(directory, setting);
  }
  return made;
}

/** A cgroup with processes has no controlled children (v2, "No Internal Process Constraint"): then beside our own. */
function parentV2(limits: Resources, own: string, mount: string, controllers: readonly string[]): string {
  if (limits.cgroupParent) return join(mount, limits.cgroupParent);
  const here = join(mount, own);
  const enabled = readFileSync(join(here, 'cgroup.subtree_control'), 'utf8').trim().split(' ');
  if (
    controllers.every((controller) => enabled.includes(controller)) &&
    isWritable(join(here, 'cgroup.procs'))
  )
    return here;
  return own === '/' ? here : dirname(here);
}

function createV2(
  limits: Resources,
  name: string,
  own: ReadonlyMap<string, string>,
  mount: string,
): string[] {
  const settings = settingsV2(limits);
  const controllers = [...new Set(settings.map((setting) => setting.controller))];
  const parent = parentV2(limits, own.get('') ?? '/', mount, controllers);
  makeCgroup(parent);
  for (const controller of controllers) {
    try {
      writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    } catch (error) {
      // On already, or refused: writing the limit will tell.
      if (!isErrno(error)) throw error;
    }
  }
  const directory = join(parent, name);
  makeCgroup(directory);
  for (const setting of settings) writeLimit(directory, setting);
  return [directory];
}

/**
 * New cgroups with the limits; the helper enters and removes them. None when no limit is asked for. E_ENVIRONMENT
 * when they cannot be had. `name` must be new.
 */
export function createCgroups(limits: Resources, name: string, mount: string = MOUNT): readonly string[] {
  if (settingsV1(limits).length === 0 && limits.cgroupParent === undefined) return [];
  const own = ownCgroups();
  const made: string[] = [];
  try {
    const unified = existsSync(join(mount, 'cgroup.controllers'));
    made.push(...(unified ? createV2 : createV1)(limits, name, own, mount));
    return made;
  } catch (error) {
    removeCgroups(made);
    throw error;
  }
}

/** Those that are still there; one with processes stays. */
export function removeCgroups(directories: readonly string[]): void {
  for (const directory of directories) {
    try {
      rmdirSync(directory);
    } catch (error) {
      if (!isErrno(error)) throw error;
    }
  }
}
