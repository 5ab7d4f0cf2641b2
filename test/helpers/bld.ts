import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The built program that the integration tests drive. */
export const BLD = resolve(import.meta.dirname, '../../bin/bld');

/** Who drives it: real root, a user with subordinate ids, a user without. */
export type Person = 'root' | 'tester' | 'plain';

interface Ids {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

function idsOf(person: Person): Ids {
  const line = spawnSync('getent', ['passwd', person], { encoding: 'utf8' }).stdout.trim();
  const [, , uid, gid, , home] = line.split(':');
  if (uid === undefined || gid === undefined || home === undefined) {
    throw new Error(`the tests need the user ${person}: .ci/run makes it`);
  }
  return { uid: Number(uid), gid: Number(gid), home };
}

/** True when the person exists, can be, and may run the program. */
function isHere(person: Person): boolean {
  if (process.geteuid?.() !== 0) {
    console.warn(`not root: nothing is tested as ${person}`);
    return false;
  }
  const switched =
    person === 'root' ? [] : ['setpriv', `--reuid=${person}`, `--regid=${person}`, '--clear-groups'];
  const [program = 'test', ...words] = [...switched, 'test', '-x', BLD];
  if (spawnSync(program, words).status === 0) return true;
  console.warn(`nothing is tested as ${person}: no such user, or ${BLD} is out of its reach`);
  return false;
}

/** Those that can be tested as: root, and again rootless with and without subordinate ids. */
export const PEOPLE: readonly Person[] = (['root', 'tester', 'plain'] as const).filter(isHere);
if (PEOPLE.length === 0) throw new Error('the system tests need root');

export interface Output {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** A store of its own in a temporary directory, with the person who owns it. Dispose it to remove all. */
export class Bench implements Disposable {
  readonly person: Person;
  /** A directory for files of the test, the person's own. */
  readonly directory: string;
  readonly root: string;
  readonly #ids: Ids;

  constructor(person: Person) {
    this.person = person;
    this.#ids = idsOf(person);
    this.directory = mkdtempSync(join(tmpdir(), `bld-test-${person}-`));
    this.root = join(this.directory, 'store');
    this.own(this.directory);
  }

  /** Gives a path to the person. */
  own(path: string): void {
    chownSync(path, this.#ids.uid, this.#ids.gid);
  }

  /** Gives a whole tree that the test has made to the person. */
  ownAll(path: string): void {
    spawnSync('chown', ['-hR', `${this.#ids.uid}:${this.#ids.gid}`, path]);
  }

  mkdir(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true });
    this.own(path);
    return path;
  }

  environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: this.#ids.home,
      LANG: 'C.UTF-8',
      BLD_ROOT: this.root,
      BLD_RUNROOT: join(this.directory, 'run'),
      REGISTRY_AUTH_FILE: join(this.directory, 'auth.json'),
      ...extra,
    };
  }

  /** Any program as the person. */
  exec(program: string, args: readonly string[], options: CallOptions = {}): Output {
    const { uid, gid } = this.#ids;
    const result = spawnSync(program, args, {
      cwd: options.cwd ?? this.directory,
      env: this.environment(options.env),
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: options.timeoutMs ?? 100_000,
      killSignal: 'SIGKILL',
      ...(options.input !== undefined && { input: options.input }),
      ...(this.person !== 'root' && { uid, gid }),
    });
    if (result.error) throw result.error;
    return { code: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
  }

  /** `bld ARGS…`, whatever its exit code. */
  try(args: readonly string[], options: CallOptions = {}): Output {
    return this.exec(BLD, args, options);
  }

  /** `bld ARGS…`, which must succeed; its stdout without the last newline. */
  run(...args: readonly string[]): string {
    return this.runWith({}, ...args);
  }

  runWith(options: CallOptions, ...args: readonly string[]): string {
    const result = this.try(args, options);
    if (result.code !== 0) {
      throw new Error(`bld ${args.join(' ')}: exit ${result.code ?? result.signal}\n${result.stderr}`);
    }
    return result.stdout.replace(/\n$/, '');
  }

  /** As `try`, while this process goes on: for a registry in it, or for several at once. */
  async call(args: readonly string[], options: CallOptions = {}): Promise<Output> {
    const child = this.start(args, options);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      said.stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said.stderr += chunk.toString();
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal, ...said }));
    });
  }

  /** A running `bld`, to be signalled or watched. */
  start(args: readonly string[], options: CallOptions = {}) {
    const { uid, gid } = this.#ids;
    return spawn(BLD, args, {
      cwd: options.cwd ?? this.directory,
      env: this.environment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(this.person !== 'root' && { uid, gid }),
    });
  }

  /** As `try`, beside the test: a server of its own goes on answering. */
  meanwhile(args: readonly string[], options: CallOptions = {}): Promise<Output> {
    const child = this.start(args, options);
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.stderr += text;
    });
    return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...said })));
  }

  /** A running `bld` that reads what it is given. */
  startFed(args: readonly string[]) {
    const { uid, gid } = this.#ids;
    return spawn(BLD, args, {
      cwd: this.directory,
      env: this.environment(),
      stdio: 'pipe',
      ...(this.person !== 'root' && { uid, gid }),
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A shell script of bld commands as the person: `bld` is in PATH, `set -eu`. */
export function script(bench: Bench, text: string, options: CallOptions = {}): Output {
  const path = `${resolve(BLD, '..')}:${bench.environment().PATH}`;
  return bench.exec('/bin/sh', ['-euc', text], { ...options, env: { ...options.env, PATH: path } });
}
