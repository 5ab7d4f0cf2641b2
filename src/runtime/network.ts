import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { BldError } from '../base/errors.ts';
import type { Environment } from '../native/environment.ts';
import type { NetworkMode } from './spec.ts';

/** The network of a run for which nothing else was asked: the host's, in every mode. */
export function defaultNetwork(_environment: Environment): NetworkMode {
  return { kind: 'host' };
}

type Program = 'pasta' | 'slirp4netns';

const READY_TIMEOUT = 10_000; // ms
const LONGEST_COMPLAINT = 2000;

function findProgram(name: string): string | undefined {
  // The system directories too: they are not in every person's PATH.
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/sbin']
    .filter(Boolean)
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The program that connects a private network. E_ENVIRONMENT when none is installed. */
export function networkProgram(wanted: Program | 'auto'): { readonly name: Program; readonly path: string } {
  const names: readonly Program[] = wanted === 'auto' ? ['pasta', 'slirp4netns'] : [wanted];
  for (const name of names) {
    const path = findProgram(name);
    if (path) return { name, path };
  }
  throw new BldError(
    'E_ENVIRONMENT',
    `a private network needs ${names.join(' or ')}, which is not installed`,
    {
      hint: 'install the package passt or slirp4netns, or use --network host',
    },
  );
}

/** No ports come in, and the host's own loopback stays out of reach. */
const PASTA = '--quiet --config-net --no-map-gw -t none -u none -T none -U none --runas 0'.split(' ');
const SLIRP = '--configure --mtu=65520 --disable-host-loopback --ready-fd=3 --exit-fd=4'.split(' ');

async function complaint(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stderr ?? []) {
    if (text.length < LONGEST_COMPLAINT) text += chunk;
  }
  return text.trim();
}

async function failed(name: string, child: ChildProcess): Promise<never> {
  const text = await complaint(child);
  throw new BldError(
    'E_ENVIRONMENT',
    `${name} could not connect the network: ${text || `exit ${child.exitCode}`}`,
    {
      hint: 'use --network host or --network none',
    },
  );
}

/**
 * Connects the network namespace of process `pid`; resolves when its interface is up. The connection ends with that
 * process, at the latest when this one ends.
 */
export async function connectNetwork(
  pid: number,
  mode: Extract<NetworkMode, { kind: 'private' }>,
  signal?: AbortSignal,
): Promise<void> {
  const { name, path } = networkProgram(mode.program);
  const abort = signal
    ? AbortSignal.any([signal, AbortSignal.timeout(READY_TIMEOUT)])
    : AbortSignal.timeout(READY_TIMEOUT);
  if (name === 'pasta') {
    // Goes into the background when it is ready, and ends when the process is gone.
    const child = spawn(path, [...PASTA, ...mode.options, '--netns', `/proc/${pid}/ns/net`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [code] = await once(child, 'exit', { signal: abort });
    child.stderr?.destroy();
    if (code !== 0) await failed(name, child);
    return;
  }
  const child = spawn(path, [...SLIRP, ...mode.options, String(pid), 'tap0'], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  const ready = child.stdio[3] as Readable;
  const [first] = await Promise.race([
    once(ready, 'data', { signal: abort }),
    once(child, 'exit', { signal: abort }),
  ]);
  if (!Buffer.isBuffer(first)) await failed(name, child);
  // Its end must not be waited for: it notices that the namespace is gone, or that our end of descriptor 4 is.
  child.unref();
  for (const stream of child.stdio)
    if (stream && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
}
