import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DOCKER = '/usr/bin/docker';
const DOCKERD = '/usr/sbin/dockerd';

/** A Docker engine of its own: started with its data in a temporary directory, ended when disposed of. */
export class Docker implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.#directory = directory;
    this.#child = child;
  }

  /** Null, with the reason on the console, where there is no engine to start. */
  static async start(): Promise<Docker | null> {
    if (!existsSync(DOCKER) || !existsSync(DOCKERD)) {
      console.warn('docker.io is not installed: images are not run under docker');
      return null;
    }
    const directory = mkdtempSync(join(tmpdir(), 'bld-docker-'));
    const at = (name: string) => join(directory, name);
    const words = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--pidfile', at('pid')];
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '-H', `unix://${at('sock')}`];
    const child = spawn(DOCKERD, [...words, ...places], { stdio: 'ignore' });
    const docker = new Docker(directory, child);
    for (let attempt = 0; attempt < 150; attempt++) {
      if (docker.run('info').status === 0) return docker;
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await docker[Symbol.asyncDispose]();
    console.warn('dockerd does not start here: images are not run under docker');
    return null;
  }

  /** A client of this engine: its program and first words. */
  get command(): readonly [string, ...string[]] {
    return [DOCKER, '-H', `unix://${join(this.#directory, 'sock')}`];
  }

  /** The first number of its version. */
  version(): number {
    return Number.parseInt(this.run('version', '--format', '{{.Server.Version}}').stdout, 10);
  }

  run(...args: string[]) {
    const [program, ...words] = this.command;
    return spawnSync(program, [...words, ...args], { encoding: 'utf8' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
