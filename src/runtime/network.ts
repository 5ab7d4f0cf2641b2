import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { Socket } from 'node:net';
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

/** The installed programs of the wanted ones, the best first. E_ENVIRONMENT when there is none. */
export function networkPrograms(
  wanted: Program | 'auto',
): readonly { readonly name: Program; readonly path: string }[] {
  const names: readonly Program[] = wanted === 'auto' ? ['pasta', 'slirp4netns'] : [wanted];
  const found = names.flatMap((name) => {
    const path = findProgram(name);
    return path === undefined ? [] : [{ name, path }];
  });
  if (found.length > 0) return found;
  throw new BldError(
    'E_ENVIRONMENT',
    `a private network needs ${names.join(' or ')}, which is not installed`,
    {
      hint: 'install the package passt or slirp4netns, or use --network host',
    },
  );
}

/** No ports come in, and the host's own loopback stays out of reach. */
const PASTA = '--config-net --no-map-gw -t none -u none -T none -U none --runas 0'.split(' ');
const SLIRP = '--configure --mtu=65520 --disable-host-loopback --ready-fd=3 --exit-fd=4'.split(' ');

/** What a program says on stderr, as it comes. */
function listen(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (text.length < LONGEST_COMPLAINT) text += chunk.toString();
  });
  // pasta's own trouble with the system log
  return () =>
    text
      .replace(/^Failed to send .*$/gm, '')
      .trim()
      .replace(/\s*\n\s*/g, '; ');
}

/** Undefined when the interface is up, else why it is not. */
async function connectPasta(
  path: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { spawn } = await import('node:child_process'); // loads much that most runs do without
  // Goes into the background when it is ready, and ends when the process of the namespace is gone.
  const child = spawn(path, [...PASTA, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const complaint = listen(child);
  const [code] = await once(child, 'exit', { signal });
  if (code === 0) {
    child.stderr.destroy();
    return undefined;
  }
  await once(child, 'close', { signal });
  return complaint() || `exit ${code}`;
}

async function connectSlirp(
  path: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { spawn } = await import('node:child_process');
  const child = spawn(path, [...SLIRP, ...args, 'tap0'], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  const complaint = listen(child);
  const [, , , ready, exit] = child.stdio;
  const closed = once(child, 'close', { signal });
  const [first] = await Promise.race([once(ready as Readable, 'data', { signal }), closed]);
  if (!Buffer.isBuffer(first)) return complaint() || `exit ${first}`;
  // Its end is not waited for: it ends when the namespace does, and when our end of descriptor 4 is closed.
  closed.catch(() => {});
  child.unref();
  for (const stream of [child.stderr, ready, exit]) if (stream instanceof Socket) stream.unref();
  return undefined;
}

/**
 * Connects the network namespace of process `pid`; resolves when its interface is up. The connection ends with that
 * process, at the latest when this one ends. E_ENVIRONMENT when no program can.
 */
export async function connectNetwork(
  pid: number,
  mode: Extract<NetworkMode, { kind: 'private' }>,
  signal?: AbortSignal,
): Promise<void> {
  const complaints: string[] = [];
  for (const { name, path } of networkPrograms(mode.program)) {
    const abort = AbortSignal.any([AbortSignal.timeout(READY_TIMEOUT), ...(signal ? [signal] : [])]);
    const complaint =
      name === 'pasta'
        ? await connectPasta(path, [...mode.options, '--netns', `/proc/${pid}/ns/net`], abort)
        : await connectSlirp(path, [...mode.options, String(pid)], abort);
    if (complaint === undefined) return;
    complaints.push(`${name}: ${complaint}`);
  }
  throw new BldError('E_ENVIRONMENT', `no private network can be connected (${complaints.join('; ')})`, {
    hint: 'use --network host or --network none; rootless, these programs need to open /dev/net/tun',
  });
}
