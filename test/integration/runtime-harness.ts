import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunSpec } from '../../src/runtime/spec.ts';

/** `root`: as we are. `userns`: user `tester` with subordinate ids. `single`: user `plain` with one id. */
export type As = 'root' | 'userns' | 'single';

export interface GuestRequest {
  readonly lower: string;
  readonly directory: string;
  readonly argv: readonly string[];
  readonly abortAfter?: number;
  readonly spec?: Partial<Omit<RunSpec, 'rootfs' | 'signal'>>;
}

export interface GuestReply {
  exitCode: number;
  signal?: number;
  remark?: string;
  stdout: string;
  stderr: string;
  /** What the run left in the upper directory. */
  upper: string[];
  warnings: string[];
  /** Of `single`: the side file, and the records on files by path. */
  owners?: string;
  records?: Readonly<Record<string, string>>;
  error?: { code: string; message: string; hint: string | undefined; exitCode: number };
}

const GUEST = join(import.meta.dirname, 'runtime-guest.ts');
const NODE = process.execPath;
const USERS: Readonly<Record<As, string>> = { root: 'root', userns: 'tester', single: 'plain' };
const run = promisify(execFile);

export const isRoot = process.getuid?.() === 0;

function userExists(name: string): Promise<boolean> {
  return run('id', [name]).then(
    () => true,
    () => false,
  );
}

/** Those of the three ways that this machine can show. */
export async function ways(): Promise<As[]> {
  if (!isRoot) return [];
  const found: As[] = ['root'];
  for (const as of ['userns', 'single'] as const) if (await userExists(USERS[as])) found.push(as);
  return found;
}

const APPLETS = `sh ls cat id mount umount echo sleep env ps mkdir mkfifo touch stat chmod chown mknod kill test readlink
  true false wc tty stty rm rmdir mv ln dd grep sort head tail hostname setsid dmesg cut tr find nc cp chroot expr`;

/** A tree of busybox, with the accounts of root alone. */
export function writeTree(lower: string): void {
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) {
    mkdirSync(join(lower, name), { recursive: true });
  }
  cpSync('/bin/busybox', join(lower, 'bin/busybox'));
  for (const applet of APPLETS.trim().split(/\s+/)) symlinkSync('busybox', join(lower, 'bin', applet));
  writeFileSync(join(lower, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  for (const name of ['hosts', 'hostname', 'resolv.conf']) writeFileSync(join(lower, 'etc', name), '');
}

/** A root file system and a directory to work in, both of the user of `as`; removed by `dispose`. */
export interface Place {
  readonly as: As;
  readonly lower: string;
  readonly directory: string;
  dispose(): void;
}

/** `change` alters the tree before it is given to the user. */
export async function makePlace(as: As, change: (lower: string) => void = () => {}): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'bld-runtime-'));
  const lower = join(directory, 'lower');
  writeTree(lower);
  change(lower);
  if (as !== 'root') await run('chown', ['-Rh', `${USERS[as]}:`, directory]);
  return { as, lower, directory, dispose: () => rmSync(directory, { recursive: true, force: true }) };
}

function commandLine(as: As, request: GuestRequest): readonly [string, string[]] {
  const guest = [NODE, GUEST, JSON.stringify(request)];
  if (as === 'root') return ['env', ['_BLD_MODE=root', ...guest]];
  const map = as === 'userns' ? ['--map-auto', '--map-root-user'] : ['--map-root-user'];
  return [
    'setpriv',
    [
      '--reuid',
      USERS[as],
      '--regid',
      USERS[as],
      '--init-groups',
      '--inh-caps=-all',
      'env',
      `_BLD_MODE=${as}`,
      'unshare',
      '--user',
      ...map,
      '--mount',
      ...guest,
    ],
  ];
}

export type Request = Omit<GuestRequest, 'directory' | 'lower'> & { readonly lower?: string };

/** `inShell` ends in `exec "$@"`: what it does before holds for the guest. */
export async function runGuest(place: Place, request: Request, inShell?: string): Promise<GuestReply> {
  const line = commandLine(place.as, {
    lower: place.lower,
    directory: place.directory,
    ...request,
  });
  const [program, args] = inShell
    ? (['unshare', ['--mount', 'sh', '-c', inShell, 'sh', line[0], ...line[1]]] as const)
    : line;
  const { stdout } = await run(program, args, { maxBuffer: 64 << 20 });
  return JSON.parse(stdout) as GuestReply;
}

/** The same, running: for tests that kill it. */
export function startGuest(place: Place, request: Request) {
  const [program, args] = commandLine(place.as, {
    lower: place.lower,
    directory: place.directory,
    ...request,
  });
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The shell's line for a run whose streams are the terminal's. */
export function ttyCommand(place: Place, request: Request): string {
  const [program, args] = commandLine(place.as, {
    lower: place.lower,
    directory: place.directory,
    ...request,
  });
  return [program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

export const hasDebian = existsSync('/tmp/deb-rootfs/usr/bin/dpkg');
