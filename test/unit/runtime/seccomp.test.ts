import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS } from '../../../src/runtime/bpf.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../src/runtime/capabilities.ts';
import { emulation } from '../../../src/runtime/emulation.ts';
import { compileProfile, seccompFilters } from '../../../src/runtime/seccomp.ts';
import { defaultProfile } from '../../../src/runtime/seccomp-default.ts';
import { type Abi, syscallNumbers } from '../../../src/runtime/syscalls.ts';
import { runFilter } from './bpf-machine.ts';

const AUDIT: Readonly<Record<Abi, number>> = {
  x86_64: 0xc000_003e,
  i386: 0x4000_0003,
  aarch64: 0xc000_00b7,
  arm: 0x4000_0028,
};
const EPERM = RET_ERRNO | 1;
const ENOSYS = RET_ERRNO | 38;

function asker(filter: Buffer) {
  return (name: string, abi: Abi = 'x86_64', ...args: bigint[]) => {
    const number = syscallNumbers(abi).get(name);
    if (number === undefined) throw new Error(`${abi} has no ${name}`);
    return runFilter(filter, { number, audit: AUDIT[abi], args });
  };
}

describe('the numbers', () => {
  // Some that everybody knows, and some around the jumps of the tables.
  test.each([
    [
      'x86_64',
      {
        read: 0,
        execve: 59,
        openat: 257,
        statx: 332,
        uretprobe: 335,
        pidfd_send_signal: 424,
        clone3: 435,
        file_setattr: 469,
      },
    ],
    [
      'i386',
      {
        restart_syscall: 0,
        execve: 11,
        clone: 120,
        chown32: 212,
        statx: 383,
        clock_gettime64: 403,
        clone3: 435,
      },
    ],
    ['aarch64', { io_setup: 0, openat: 56, clone: 220, execve: 221, statx: 291, clone3: 435 }],
    ['arm', { execve: 11, clone: 120, openat: 322, statx: 397, clone3: 435, set_tls: 983045 }],
  ] as const)('%s', (abi, wanted) => {
    const numbers = syscallNumbers(abi);
    expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, numbers.get(name)]))).toEqual(wanted);
    const unshared = [...numbers.values()];
    // arm has one call by two names
    expect(new Set(unshared).size).toBe(unshared.length - (abi === 'arm' ? 1 : 0));
  });
});

describe("Docker's default profile", () => {
  const ask = asker(compileProfile(defaultProfile(), DEFAULT_CAPABILITIES, 'x64'));
  const askAll = asker(compileProfile(defaultProfile(), CAPABILITIES, 'x64'));

  test.each(['read', 'openat', 'execve', 'chown', 'ptrace', 'chroot', 'seccomp', 'statx'])(
    'allows %s',
    (name) => {
      expect(ask(name)).toBe(RET_ALLOW);
      expect(askAll(name)).toBe(RET_ALLOW);
    },
  );

  describe('lets no device of the machine be made', () => {
    const [limits] = seccompFilters('unconfined', []);
    if (!limits) throw new Error('there is no filter of devices');
    const asks = { default: ask, unconfined: asker(limits) };
    const major = (number: number, minor: number) => (number << 8) | minor;
    const NOISE = 0x5a5a_0000_0000n;
    test.each(Object.entries(asks))('%s', (_, answer) => {
      for (const [name, before] of [
        ['mknod', 1],
        ['mknodat', 2],
      ] as const) {
        const make = (mode: number, device: number | bigint) =>
          answer(name, 'x86_64', ...new Array<bigint>(before).fill(0n), BigInt(mode), BigInt(device));
        for (const mode of [0o644, 0o100644, 0o10600, 0o140777]) expect(make(mode, 0)).toBe(RET_ALLOW);
        for (const minor of [3, 5, 7, 8, 9]) expect(make(0o20666, major(1, minor))).toBe(RET_ALLOW);
        for (const minor of [0, 2]) expect(make(0o20620, major(5, minor))).toBe(RET_ALLOW);
        for (const device of [0, major(1, 1), major(1, 2), major(10, 229), major(5, 1)]) {
          expect(make(0o20666, device)).toBe(EPERM);
        }
        expect(make(0o20666, NOISE | BigInt(major(1, 3)))).toBe(EPERM);
        for (const device of [major(1, 3), major(8, 0)]) expect(make(0o60666, device)).toBe(EPERM);
      }
      expect(answer('read')).toBe(RET_ALLOW);
    });
  });

  test.each([
    'mount',
    'umount2',
    'setns',
    'unshare',
    'bpf',
    'reboot',
    'init_module',
    'open_by_handle_at',
    'iopl',
  ])('allows %s with its capability alone', (name) => {
    expect(ask(name)).toBe(EPERM);
    expect(askAll(name)).toBe(RET_ALLOW);
  });

  test.each([
    'keyctl',
    'add_key',
    'userfaultfd',
    'io_uring_setup',
    'kexec_load',
    'swapon',
    'pivot_root',
    'nfsservctl',
  ])('never allows %s', (name) => {
    expect(ask(name)).toBe(EPERM);
    expect(askAll(name)).toBe(EPERM);
  });

  test('looks at arguments', () => {
    expect(ask('clone', 'x86_64', 0x11n)).toBe(RET_ALLOW);
    expect(ask('clone', 'x86_64', 0x1000_0011n)).toBe(EPERM);
    expect(askAll('clone', 'x86_64', 0x1000_0011n)).toBe(RET_ALLOW);
    expect(ask('clone3')).toBe(ENOSYS);
    expect(ask('socket', 'x86_64', 2n)).toBe(RET_ALLOW);
    expect([38n, 40n, 12n, 100n].map((family) => ask('socket', 'x86_64', family))).toEqual([
      EPERM,
      EPERM,
      EPERM,
      EPERM,
    ]);
    expect(ask('personality', 'x86_64', 0xffff_ffffn)).toBe(RET_ALLOW);
    expect(ask('personality', 'x86_64', 0x40000n)).toBe(EPERM);
  });

  test('holds for the other forms of processes too', () => {
    expect(ask('openat', 'i386')).toBe(RET_ALLOW);
    expect(ask('mount', 'i386')).toBe(EPERM);
    expect(ask('clone', 'i386', 0x1000_0000n)).toBe(EPERM);
    expect(ask('socketcall', 'i386')).toBe(RET_ALLOW);
    const arm = asker(compileProfile(defaultProfile(), DEFAULT_CAPABILITIES, 'arm64'));
    expect([arm('openat', 'aarch64'), arm('openat', 'arm'), arm('set_tls', 'arm')]).toEqual([
      RET_ALLOW,
      RET_ALLOW,
      RET_ALLOW,
    ]);
    expect([arm('mount', 'aarch64'), arm('mount', 'arm')]).toEqual([EPERM, EPERM]);
  });

  test('calls to come are unknown, not forbidden; strange processes are killed', () => {
    const filter = compileProfile(defaultProfile(), DEFAULT_CAPABILITIES, 'x64');
    expect(runFilter(filter, { number: 600, audit: AUDIT.i386 })).toBe(ENOSYS);
    expect(runFilter(filter, { number: 0, audit: 0xc000_0015 })).toBe(RET_KILL_PROCESS);
  });

  test('there is no x32, with any profile', () => {
    const open = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mount'], action: 'SCMP_ACT_ERRNO' }],
    };
    for (const profile of [defaultProfile(), open]) {
      const filter = compileProfile(profile, DEFAULT_CAPABILITIES, 'x64');
      for (const number of [0, 165, 520]) {
        expect(runFilter(filter, { number: number + 0x4000_0000, audit: AUDIT.x86_64 })).toBe(ENOSYS);
      }
    }
  });

  test('an unknown processor is told so', () => {
    expect(() => compileProfile(defaultProfile(), [], 's390x')).toThrow('s390x');
  });
});

describe('a profile of the user', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bld-seccomp-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const load = (text: string) => {
    const profile = join(directory, 'profile.json');
    writeFileSync(profile, text);
    return seccompFilters({ profile }, DEFAULT_CAPABILITIES, 'any')[0];
  };

  test.runIf(process.arch === 'x64')('is read in all its forms', () => {
    const filter = load(
      JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86_64'],
        syscalls: [
          { name: 'mkdir', action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
          {
            names: ['chmod', 'nosuchcall'],
            action: 'SCMP_ACT_KILL_PROCESS',
            args: [{ index: 1, value: 0o4000, valueTwo: 0o4000, op: 'SCMP_CMP_MASKED_EQ' }],
          },
          { names: ['chown'], action: 'SCMP_ACT_ERRNO', includes: { caps: ['CAP_SYS_ADMIN'] } },
        ],
      }),
    );
    const ask = asker(filter ?? Buffer.alloc(0));
    expect(ask('mkdir')).toBe(RET_ERRNO | 13);
    expect(ask('chmod', 'x86_64', 0n, 0o4755n)).toBe(RET_KILL_PROCESS);
    expect(ask('chmod', 'x86_64', 0n, 0o755n)).toBe(RET_ALLOW);
    expect(ask('chown')).toBe(RET_ALLOW);
  });

  test.each([
    ['{', 'E_USAGE'],
    ['[]', 'E_USAGE'],
    ['{"defaultAction":"SCMP_ACT_DREAM"}', 'E_UNSUPPORTED'],
    ['{"defaultAction":"toString"}', 'E_UNSUPPORTED'],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":9,"value":0,"op":"SCMP_CMP_EQ"}]}]}',
      'E_USAGE',
    ],
  ])('%s is refused', (text, code) => {
    expect(() => load(text)).toThrow(expect.objectContaining({ code }));
  });

  test('one that is not there is named', () => {
    expect(() => seccompFilters({ profile: join(directory, 'none') }, [])).toThrow(/seccomp profile .*none/);
    expect(seccompFilters('unconfined', [], 'any')).toEqual([]);
  });
});

describe.runIf(process.arch === 'x64')('the emulation of ids', () => {
  const ask = asker(emulation().notify);
  const instead = asker(emulation().instead);
  const NOTIFY = 0x7fc0_0000;

  test('sees calls about ids and owners, and files that are made', () => {
    for (const name of ['chown', 'fchownat', 'setuid', 'getuid', 'mknod', 'stat'])
      expect(ask(name)).toBe(NOTIFY);
    for (const name of ['chown32', 'setuid', 'getuid32']) expect(ask(name, 'i386')).toBe(NOTIFY);
    expect(ask('openat', 'x86_64', 0n, 0n, 0o101n)).toBe(NOTIFY);
    expect(ask('openat', 'x86_64', 0n, 0n, 0n)).toBe(RET_ALLOW);
    for (const name of ['read', 'execve', 'chmod']) expect(ask(name)).toBe(RET_ALLOW);
  });

  test('without a listener, changes are no errors', () => {
    expect([instead('chown'), instead('setresuid')]).toEqual([RET_ERRNO, RET_ERRNO]);
    expect([instead('getuid'), instead('mknod'), instead('stat')]).toEqual([RET_ALLOW, RET_ALLOW, RET_ALLOW]);
  });
});
