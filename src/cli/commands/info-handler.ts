import { readFileSync } from 'node:fs';
import { arch, availableParallelism, freemem, hostname, platform, release, totalmem, uptime } from 'node:os';
import type { Engine } from '../../builder/engine.ts';
import { identity } from '../identity.ts';
import { json, text } from '../output.ts';
import type { Handler } from '../spec.ts';
import { goDuration } from '../template/time.ts';
import { compileTemplate } from '../template.ts';
import type { spec } from './info.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** `NAME=value` lines, quotes taken off. */
function assignment(source: string, name: string): string | undefined {
  return new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(source)?.[1];
}

/** `SwapTotal:  123 kB` in bytes. */
function memoryOf(meminfo: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;
}

function host({ environment }: Engine) {
  const [system, memory] = [fileText('/etc/os-release'), fileText('/proc/meminfo')];
  const isUnified = fileText('/sys/fs/cgroup/cgroup.controllers') !== '';
  return {
    CgroupVersion: isUnified ? 'v2' : 'v1',
    Distribution: {
      distribution: assignment(system, 'ID') ?? 'unknown',
      version: assignment(system, 'VERSION_ID') ?? 'unknown',
    },
    MemFree: memoryOf(memory, 'MemFree') || freemem(),
    MemTotal: totalmem(),
    OCIRuntime: 'bld-helper',
    SwapFree: memoryOf(memory, 'SwapFree'),
    SwapTotal: memoryOf(memory, 'SwapTotal'),
    arch: ARCHITECTURES[arch()] ?? arch(),
    cpus: availableParallelism(),
    hostname: hostname(),
    kernel: release(),
    os: platform(),
    rootless: environment.uid !== 0,
    uptime: goDuration(Math.round(uptime() * 100) * 1e7).replace(/([hm])(?=\d)/g, '$1 '),
    variant: '',
  };
}

function storage({ store }: Engine) {
  const overlay = store.kind.xattrs === 'user' ? 'user.overlay.*' : 'trusted.overlay.*';
  return {
    ContainerStore: { number: store.containers.list().length },
    GraphDriverName: 'overlay',
    GraphImageStore: '',
    GraphOptions: null,
    GraphRoot: store.root,
    GraphStatus: { 'Overlay marks': overlay, Owners: store.kind.owners },
    GraphTransientStore: false,
    ImageStore: { number: store.images.list().length },
    RunRoot: store.runroot,
  };
}

/** How bld works on this machine, and why not better. */
function own({ environment, store }: Engine) {
  return {
    mode: environment.mode,
    reason: environment.reason ?? null,
    storage: environment.mode === 'none' ? 'no mounts: images are made without unpacking' : 'overlay',
    owners: store.kind.owners,
    uid: environment.uid,
    gid: environment.gid,
  };
}

export const handle: Handler<typeof spec.flags> = async (context, options) => {
  const engine = await context.engine({ quiet: true });
  const { version, commit } = identity();
  const value = {
    ...(options.debug && {
      debug: { 'bld version': version, 'git commit': commit, 'node version': process.version },
    }),
    host: host(engine),
    store: storage(engine),
    bld: own(engine),
  };
  if (options.format === undefined) return json(value);
  return text(compileTemplate('info', options.format).execute(value, 'any'));
};
