import {
  type ArchitectureRules,
  type ArgumentTest,
  compileFilter,
  RET_ALLOW,
  RET_ERRNO,
  RET_NOTIFY,
  type SyscallRule,
} from './bpf.ts';
import { machineAbis } from './seccomp.ts';
import { syscallNumbers } from './syscalls.ts';

/** Where the ids of calls have 16 bits on 32-bit architectures, a second form has "32" in its name. */
const withLong = (names: string) => names.split(' ').flatMap((name) => [name, `${name}32`]);

const CHANGES = [
  ...withLong(
    'setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups chown lchown fchown',
  ),
  'fchownat',
];
const QUESTIONS = withLong('getuid geteuid getgid getegid getresuid getresgid getgroups');
/** Of these, 32-bit forms are left to the kernel: they tell the kernel's owners. */
const LOOKS = 'stat lstat fstat newfstatat statx'.split(' ');
const CREATIONS = 'mknod mknodat mkdir mkdirat symlink symlinkat creat chroot'.split(' ');

const O_CREAT = 0o100n;
const creates = (index: number): ArgumentTest => ({ index, op: 'masked', mask: O_CREAT, value: O_CREAT });
const PR_SET_KEEPCAPS = 8n;
/** Only with these arguments. */
const SOMETIMES: Readonly<Record<string, ArgumentTest>> = {
  open: creates(1),
  openat: creates(2),
  prctl: { index: 0, op: 'eq', value: PR_SET_KEEPCAPS },
};

export interface Emulation {
  /** The calls that the container's first process answers (native/overlay/emulate.c). */
  readonly notify: Buffer;
  /** Where it may not: owners and ids can be set, and nothing happens. */
  readonly instead: Buffer;
  /** `ARCHITECTURE NUMBER NAME` of each. */
  readonly calls: readonly string[];
}

let known: Emulation | undefined;

/** What makes a single id look like root with all ids. */
export function emulation(): Emulation {
  if (known) return known;
  const calls: string[] = [];
  const notifying: ArchitectureRules[] = [];
  const ignoring: ArchitectureRules[] = [];
  for (const [abi, audit] of machineAbis()) {
    const numbers = syscallNumbers(abi);
    const notify = new Map<number, readonly SyscallRule[]>();
    const ignore = new Map<number, readonly SyscallRule[]>();
    for (const name of [...CHANGES, ...QUESTIONS, ...LOOKS, ...CREATIONS, ...Object.keys(SOMETIMES)]) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      const test = SOMETIMES[name];
      notify.set(number, [{ action: RET_NOTIFY, tests: test ? [test] : [] }]);
      calls.push(`${audit} ${number} ${name}`);
      if (CHANGES.includes(name)) ignore.set(number, [{ action: RET_ERRNO, tests: [] }]);
    }
    const rest = { audit, fallback: RET_ALLOW, knownEnd: 0, unknown: RET_ALLOW };
    notifying.push({ ...rest, rules: notify });
    ignoring.push({ ...rest, rules: ignore });
  }
  known = { notify: compileFilter(notifying), instead: compileFilter(ignoring), calls };
  return known;
}
