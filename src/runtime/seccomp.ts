import { readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { BldError, explain } from '../base/errors.ts';
import {
  type ArchitectureRules,
  type ArgumentTest,
  type Comparison,
  compileFilter,
  RET_ALLOW,
  RET_ERRNO,
  RET_KILL_PROCESS,
  type SyscallRule,
} from './bpf.ts';
import { defaultProfile, devicesProfile } from './seccomp-default.ts';
import { type Abi, syscallNumbers } from './syscalls.ts';

interface Condition {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  readonly minKernel?: string;
}

export interface SeccompRule {
  readonly names?: readonly string[];
  /** The older form of `names`. */
  readonly name?: string;
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: string;
  }[];
  readonly includes?: Condition;
  readonly excludes?: Condition;
}

/** The JSON of Docker, Podman and the OCI runtime specification ("Seccomp"). */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly syscalls?: readonly SeccompRule[] | null;
}

const EPERM = 1;
const ENOSYS = 38;
const LARGEST_PROFILE = 4 << 20;
const X32_BIT = 0x4000_0000;
/** Calls of ARM's own lie far above all others. */
const ARM_PRIVATE = 0xf0000;

/** What one machine runs: its own form first. */
const MACHINES: Readonly<
  Record<string, { readonly go: string; readonly abis: readonly (readonly [Abi, number])[] }>
> = {
  x64: {
    go: 'amd64',
    abis: [
      ['x86_64', 0xc000_003e],
      ['i386', 0x4000_0003],
    ],
  },
  arm64: {
    go: 'arm64',
    abis: [
      ['aarch64', 0xc000_00b7],
      ['arm', 0x4000_0028],
    ],
  },
};

const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_ALLOW: RET_ALLOW,
  SCMP_ACT_ERRNO: RET_ERRNO,
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: RET_KILL_PROCESS,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
};

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  SCMP_CMP_EQ: 'eq',
  SCMP_CMP_NE: 'ne',
  SCMP_CMP_LT: 'lt',
  SCMP_CMP_LE: 'le',
  SCMP_CMP_GT: 'gt',
  SCMP_CMP_GE: 'ge',
  SCMP_CMP_MASKED_EQ: 'masked',
};

function lookUp<Value>(table: Readonly<Record<string, Value>>, key: string, what: string): Value {
  const value = Object.hasOwn(table, key) ? table[key] : undefined;
  if (value === undefined)
    throw new BldError('E_UNSUPPORTED', `seccomp profile: ${what} ${JSON.stringify(key)}`);
  return value;
}

function actionOf(name: string, errno: number | undefined): number {
  const action = lookUp(ACTIONS, name, 'action');
  return action === RET_ERRNO ? action | ((errno ?? EPERM) & 0xffff) : action;
}

function testOf(arg: NonNullable<SeccompRule['args']>[number]): ArgumentTest {
  const op = lookUp(COMPARISONS, arg.op, 'comparison');
  if (!(arg.index >= 0 && arg.index <= 5)) {
    throw new BldError('E_USAGE', `seccomp profile: argument index ${arg.index}`);
  }
  const value = BigInt(arg.value);
  // libseccomp: `value` is the mask, `valueTwo` what is left.
  if (op === 'masked') return { index: arg.index, op, mask: value, value: BigInt(arg.valueTwo ?? 0) };
  return { index: arg.index, op, value };
}

function kernelAtLeast(version: string): boolean {
  const numbers = (text: string) => text.split(/[.-]/, 2).map(Number);
  const [[major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]] = [numbers(release()), numbers(version)];
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** As Docker reads them: all that is included must hold, nothing excluded may. */
function applies(rule: SeccompRule, capabilities: ReadonlySet<string>, go: string): boolean {
  const has = (name: string) => capabilities.has(name.replace(/^CAP_/, ''));
  const { includes, excludes } = rule;
  if (includes?.caps && !includes.caps.every(has)) return false;
  if (includes?.arches?.length && !includes.arches.includes(go)) return false;
  if (includes?.minKernel && !kernelAtLeast(includes.minKernel)) return false;
  if (excludes?.caps?.some(has)) return false;
  if (excludes?.arches?.includes(go)) return false;
  return !(excludes?.minKernel && kernelAtLeast(excludes.minKernel));
}

/** Rules by name. Those without a test stand last: they would hide the others. */
function rulesByName(profile: SeccompProfile, capabilities: ReadonlySet<string>, go: string) {
  const found = new Map<string, SyscallRule[]>();
  for (const rule of profile.syscalls ?? []) {
    if (!applies(rule, capabilities, go)) continue;
    const made = { action: actionOf(rule.action, rule.errnoRet), tests: (rule.args ?? []).map(testOf) };
    for (const name of rule.names ?? (rule.name === undefined ? [] : [rule.name])) {
      const list = found.get(name);
      if (!list) found.set(name, [made]);
      else if (made.tests.length > 0) list.unshift(made);
      else list.push(made);
    }
  }
  return found;
}

/** Puts the named rules on the numbers of one ABI; and the end of the numbers. */
function place(byName: ReadonlyMap<string, readonly SyscallRule[]>, abi: Abi) {
  const rules = new Map<number, readonly SyscallRule[]>();
  const numbers = syscallNumbers(abi);
  let knownEnd = 0;
  for (const [name, list] of byName) {
    const number = numbers.get(name);
    if (number === undefined) continue;
    rules.set(number, list);
    if (number < ARM_PRIVATE) knownEnd = Math.max(knownEnd, number + 1);
  }
  return { rules, knownEnd };
}

/** The machine's name in Node's terms must be one whose numbers we know; E_UNSUPPORTED with a hint. */
function machine(arch: string = process.arch) {
  const known = MACHINES[arch];
  if (known) return known;
  throw new BldError('E_UNSUPPORTED', `there is no seccomp filter for ${arch} processors`, {
    hint: 'run without one: --security-opt seccomp=unconfined',
  });
}

/** The ABIs of this machine's processes, with their AUDIT_ARCH_*. */
export function machineAbis(): readonly (readonly [Abi, number])[] {
  return machine().abis;
}

/** A profile as `struct sock_filter[]` for this machine and a capability set (names without `CAP_`). */
export function compileProfile(
  profile: SeccompProfile,
  capabilities: readonly string[],
  arch: string = process.arch,
): Buffer {
  const { go, abis } = machine(arch);
  const byName = rulesByName(profile, new Set(capabilities), go);
  const fallback = actionOf(profile.defaultAction, profile.defaultErrnoRet);
  // A call that is newer than the profile is unknown rather than forbidden: programs then use the older one.
  const unknown = fallback === (RET_ERRNO | EPERM) ? RET_ERRNO | ENOSYS : fallback;
  const architectures = abis.map(([abi, audit]): ArchitectureRules => {
    // x32 shares its architecture with x86_64. As on kernels without it, there is none: it would be a way around.
    const beyond = abi === 'x86_64' ? { start: X32_BIT, action: RET_ERRNO | ENOSYS } : undefined;
    return { audit, fallback, unknown, ...place(byName, abi), ...(beyond && { beyond }) };
  });
  return compileFilter(architectures);
}

function readProfile(path: string): SeccompProfile {
  try {
    const { size } = statSync(path);
    if (size > LARGEST_PROFILE) throw new BldError('E_LIMIT', `seccomp profile ${path} has ${size} bytes`);
    const profile: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (profile && typeof profile === 'object' && 'defaultAction' in profile)
      return profile as SeccompProfile;
    throw new BldError('E_USAGE', `seccomp profile ${path} has no defaultAction`);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new BldError('E_USAGE', `seccomp profile ${path}: ${error.message}`, { cause: error });
    }
    throw explain(error, `seccomp profile ${path}`);
  }
}

const compiled = new Map<string, Buffer>();

function once(key: string, compile: () => Buffer): Buffer {
  const filter = compiled.get(key) ?? compile();
  compiled.set(key, filter);
  return filter;
}

/** The filters of a run. Under each choice no device can be made but harmless ones, unless `devices` says `any`. */
export function seccompFilters(
  choice: 'default' | 'unconfined' | { readonly profile: string },
  capabilities: readonly string[],
  devices: 'harmless' | 'any' = 'harmless',
): Buffer[] {
  if (choice === 'default') {
    const key = `${devices} ${capabilities.toSorted().join()}`;
    return [once(key, () => compileProfile(defaultProfile(devices), capabilities))];
  }
  const limits = devices === 'any' ? [] : [once('devices', () => compileProfile(devicesProfile(), []))];
  if (choice === 'unconfined') return limits;
  // the limits first: the profile may forbid to load more
  return [...limits, compileProfile(readProfile(choice.profile), capabilities)];
}
