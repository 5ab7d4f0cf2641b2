import { type StdioOptions, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  /** A program and its arguments that start the launcher. */
  readonly through?: readonly string[];
  readonly stdio?: StdioOptions;
  /** A seccomp filter around all of it, by bwrap. */
  readonly filter?: Buffer | undefined;
}

/** A package of bin/bld and a main of the test's own, in a place of its own: code inside the launcher's namespaces. */
export class Package implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'bld-package-'));

  /** `main` is the text of dist/main.js, a CommonJS file. */
  constructor(main: string, { modules = true } = {}) {
    chmodSync(this.path, 0o755);
    for (const name of ['bin', 'dist']) mkdirSync(join(this.path, name));
    copyFileSync(join(PROJECT, 'bin/bld'), this.launcher);
    writeFileSync(join(this.path, 'dist/main.js'), main);
    writeFileSync(join(this.path, 'dist/package.json'), '{"type":"commonjs"}');
    if (modules) symlinkSync(join(PROJECT, 'node_modules'), join(this.path, 'node_modules'));
  }

  get launcher(): string {
    return join(this.path, 'bin/bld');
  }

  run({ args = [], env = {}, uid, gid, through = [], stdio, filter }: RunOptions = {}): Ran {
    const fd = filter && this.#open(filter);
    const sandbox = filter ? ['bwrap', '--dev-bind', '/', '/', '--cap-add', 'ALL', '--seccomp', '3'] : [];
    const [program = '', ...rest] = [...sandbox, ...through, this.launcher, ...args];
    const result = spawnSync(program, rest, {
      cwd: '/tmp',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/tmp', ...env },
      encoding: 'utf8',
      timeout: 100_000,
      stdio: stdio ?? ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])],
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    });
    if (fd !== undefined) closeSync(fd);
    if (result.error) throw result.error;
    return { code: result.status, stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
  }

  #open(filter: Buffer): number {
    const path = join(this.path, 'filter');
    writeFileSync(path, filter);
    return openSync(path, 'r');
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The ids of a user of this machine, or undefined. */
export function idsOf(user: string): { uid: number; gid: number } | undefined {
  const fields = spawnSync('getent', ['passwd', user], { encoding: 'utf8' }).stdout.trim().split(':');
  return fields.length < 4 ? undefined : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** System calls by number, for a filter; only where bwrap can set one. */
export const SYSCALLS =
  process.arch === 'x64' && existsSync('/usr/bin/bwrap')
    ? { mount: 165, unshare: 272, fsopen: 430, openat2: 437, fchmodat2: 452 }
    : undefined;

/** A classic BPF program that answers the calls with `errno` and allows all others. */
export function seccompFilter(calls: readonly number[], errno: number): Buffer {
  const instruction = (code: number, jt: number, jf: number, k: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(code, 0);
    bytes.writeUInt8(jt, 2);
    bytes.writeUInt8(jf, 3);
    bytes.writeUInt32LE(k, 4);
    return bytes;
  };
  const [load, jump, end, allow, refuse] = [0x20, 0x15, 0x06, 0x7fff0000, 0x00050000];
  return Buffer.concat([
    instruction(load, 0, 0, 0),
    ...calls.map((number, index) => instruction(jump, calls.length - index, 0, number)),
    instruction(end, 0, 0, allow),
    instruction(end, 0, 0, refuse | errno),
  ]);
}

/** A main that tells what it was given, as JSON: `tell`, `exit CODE`, `wait`. */
export const TELLING = `
const fs = require('node:fs');
const [command, ...args] = process.argv.slice(2);
if (command === 'exit') process.exit(Number(args[0]));
if (command === 'wait') { console.log(process.pid); setInterval(() => {}, 1000); }
if (command === 'tell') {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^_?BLD_|^NODE_|^LD_/.test(name)));
  const read = (path) => fs.readFileSync(path, 'utf8').trim().split('\\n').map((line) => line.trim().replace(/ +/g, ' '));
  console.log(JSON.stringify({
    args, own, uid: process.getuid(), gid: process.getgid(), cwd: process.cwd(), home: process.env.HOME,
    uids: read('/proc/self/uid_map'), gids: read('/proc/self/gid_map'),
    mounts: fs.readlinkSync('/proc/self/ns/mnt'), users: fs.readlinkSync('/proc/self/ns/user'),
    streams: [0, 1, 2].map((fd) => fs.readlinkSync('/proc/self/fd/' + fd)),
    host: own._BLD_MNTNS && fs.readlinkSync('/proc/self/fd/' + own._BLD_MNTNS),
    shared: /shared:/.test(fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\\n').find((line) => / \\/ \\/ /.test(line))),
    children: fs.readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8'),
  }));
}
`;

export interface Told {
  readonly args: readonly string[];
  readonly own: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly gid: number;
  readonly cwd: string;
  readonly home: string;
  readonly uids: readonly string[];
  readonly gids: readonly string[];
  readonly mounts: string;
  readonly users: string;
  readonly streams: readonly string[];
  readonly host?: string;
  readonly shared: boolean;
  readonly children: string;
}

/** Runs `tell` in a package with TELLING. */
export function told(from: Package, options: RunOptions = {}): Told {
  const { code, stdout, stderr } = from.run({ ...options, args: ['tell', ...(options.args ?? [])] });
  if (code !== 0 || stderr !== '') throw new Error(`exit ${code}\n${stderr}`);
  return JSON.parse(stdout) as Told;
}
