import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.ts';

const PROGRAMS = ['/usr/bin/docker-registry', '/usr/bin/registry', '/usr/local/bin/registry'];

async function freePort(): Promise<number> {
  const server = createServer();
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('internal: no port');
  return address.port;
}

/** A process that a workbench keeps in the background until it is disposed. */
export interface Service extends AsyncDisposable {
  readonly child: ChildProcess;
}

/** Starts a program whose output goes to `<log>`; disposing asks it to end and waits. */
export function startService(argv: readonly string[], log: string): Service {
  const [program = '', ...args] = argv;
  const output = openSync(log, 'a');
  const child = spawn(program, args, { cwd: '/', stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  const ended = Promise.withResolvers<void>();
  child.on('error', () => ended.resolve()).on('exit', () => ended.resolve());
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await Promise.race([ended.promise, sleep(15_000, undefined, { ref: false })]);
      child.kill('SIGKILL');
    },
  };
}

/** Asks every 100 ms until the answer is true; an Error naming what was waited for after 30 s. */
export async function waitFor(what: string, ready: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await ready()) return;
    await sleep(100);
  }
  throw new Error(`${what} does not start`);
}

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, plain HTTP. */
  readonly host: string;
}

/** Starts a registry that keeps its data in the lab; an Error when none is installed. */
export async function startRegistry(lab: Lab): Promise<Registry> {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined) throw new Error('no registry is installed: apt-get install docker-registry');
  const host = `127.0.0.1:${await freePort()}`;
  const home = lab.directory('registry');
  const config = join(home, 'config.yml');
  const storage = `filesystem: {rootdirectory: ${home}/data}`;
  writeFileSync(config, `version: 0.1\nlog: {level: error}\nstorage: {${storage}}\nhttp: {addr: ${host}}\n`);
  const service = startService([program, 'serve', config], join(home, 'log'));
  await waitFor(program, () =>
    fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return { host, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}
