import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { BLD } from './bld.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `oci:PATH:busybox`: a small base that everybody may read. */
    base: string;
    /** `127.0.0.1:PORT` of a real registry, empty when docker-registry is not installed. */
    registry: string;
  }
}

const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1001::/home/app:/bin/sh\n';
const GROUP = 'root:x:0:\nnogroup:x:65534:\napp:x:1001:\nextra:x:2000:app\n';

/** A root file system of the machine's static busybox. */
function busyboxTree(directory: string): void {
  for (const name of ['bin', 'etc', 'root', 'tmp', 'home', 'var', 'usr/bin', 'proc', 'sys', 'dev']) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  chmodSync(join(directory, 'tmp'), 0o1777);
  chmodSync(directory, 0o755);
  copyFileSync('/bin/busybox', join(directory, 'bin/busybox'));
  chmodSync(join(directory, 'bin/busybox'), 0o755);
  const applets = spawnSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') symlinkSync('busybox', join(directory, 'bin', applet));
  }
  writeFileSync(join(directory, 'etc/passwd'), PASSWD);
  writeFileSync(join(directory, 'etc/group'), GROUP);
}

function bld(root: string, ...args: string[]): string {
  const result = spawnSync(BLD, ['--root', join(root, 'store'), '--runroot', join(root, 'run'), ...args], {
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`bld ${args.join(' ')}: ${result.stderr}`);
  return result.stdout.trim();
}

/** A base image of this machine's busybox in `work`: `oci:PATH:busybox`. */
export function makeBase(work: string): string {
  const tree = join(work, 'tree');
  mkdirSync(tree);
  busyboxTree(tree);
  const container = bld(work, 'from', 'scratch');
  bld(work, 'copy', container, tree, '/');
  bld(work, 'config', '--cmd', '["sh"]', '--env', 'PATH=/bin:/usr/bin', container);
  const layout = join(work, 'base');
  bld(work, 'commit', '--rm', container, `oci:${layout}:busybox`);
  spawnSync('chmod', ['-R', 'a+rX', work]);
  return `oci:${layout}:busybox`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

async function startRegistry(work: string): Promise<{ child?: ChildProcess; host: string }> {
  if (!existsSync('/usr/bin/docker-registry')) {
    console.warn('docker-registry is not installed: tests against a real registry are skipped');
    return { host: '' };
  }
  const host = `127.0.0.1:${await freePort()}`;
  const file = join(work, 'registry.yml');
  const storage = `storage: {filesystem: {rootdirectory: ${join(work, 'registry')}}, delete: {enabled: true}}`;
  writeFileSync(file, `version: 0.1\nlog: {level: error}\n${storage}\nhttp: {addr: '${host}'}\n`);
  const child = spawn('/usr/bin/docker-registry', ['serve', file], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      await fetch(`http://${host}/v2/`);
      return { child, host };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error('docker-registry does not answer');
}

/** Once for all system tests: a base image made of this machine's busybox, and a real registry. */
export async function setup(project: TestProject): Promise<() => void> {
  const work = mkdtempSync(join(tmpdir(), 'bld-system-'));
  chmodSync(work, 0o755);
  const { child, host } = await startRegistry(work);
  project.provide('registry', host);
  project.provide('base', makeBase(work));
  return () => {
    child?.kill();
    rmSync(work, { recursive: true, force: true });
  };
}
