import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import type { Descriptor } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { makeDirectories } from '../base/fs.ts';
import { visibleStack } from '../layers/root.ts';
import { unpackBlob } from '../layers/unpack.ts';
import { type Fd, sys } from '../native/sys.ts';
import { type Container, read } from './container.ts';
import type { Engine } from './engine.ts';
import { prepareUpper } from './freeze.ts';
import { fetchLent } from './step-lookup.ts';

/** A mounted root file system: paths below `fd` show the merged tree until it is disposed. */
export interface Rootfs extends Disposable {
  readonly fd: Fd;
}

/**
 * The unpacked trees of these layers, in the given order (bottom first); what is only there as a blob is unpacked now,
 * from the bottom up: directories that a layer only implies look like those below it.
 */
export async function layerPaths(engine: Engine, diffIds: readonly Digest[]): Promise<string[]> {
  await fetchLent(engine, diffIds);
  const paths: string[] = [];
  for (const diffId of diffIds) {
    paths.push(engine.store.layers.path(diffId) ?? (await unpack(engine, diffId, paths.toReversed())));
  }
  return paths;
}

/** Tries the blobs that are said to be this layer, for what a foreign image says need not be true. */
async function unpack(engine: Engine, diffId: Digest, below: readonly string[]): Promise<string> {
  const { store } = engine;
  let failure: unknown = new BldError('E_STORE', `layer ${diffId} is neither unpacked nor there as a blob`, {
    hint: 'pull the image again, or rebuild it',
  });
  for (const blob of store.layers.blobs(diffId)) {
    if (!store.blobs.has(blob.digest)) continue;
    try {
      return await unpackFrom(engine, { diffId, blob, below });
    } catch (error) {
      if (!(error instanceof BldError && error.code === 'E_INTEGRITY')) throw error;
      failure = error;
    }
  }
  throw failure;
}

interface PackedLayer {
  readonly diffId: Digest;
  readonly blob: Descriptor;
  /** Uppermost first. */
  readonly below: readonly string[];
}

function unpackFrom(engine: Engine, { diffId, blob, below }: PackedLayer): Promise<string> {
  const { store } = engine;
  return store.layers.ensure(diffId, async (directory) => {
    const id = blob.digest;
    engine.progress({ kind: 'start', id, label: `Unpacking ${id.slice(7, 19)}`, total: blob.size });
    try {
      const unpacked = await unpackBlob({
        blob,
        open: () => store.blobs.open(blob.digest),
        diffId,
        below,
        target: { directory, ...store.kind },
        onBytes: (bytes) => engine.progress({ kind: 'advance', id, bytes }),
        ...(engine.signal && { signal: engine.signal }),
      });
      store.layers.prove(diffId, blob.digest);
      return unpacked;
    } finally {
      engine.progress({ kind: 'end', id });
    }
  });
}

/** Where the container is shown to the whole machine by `mount`, or null. */
export function shownAt(container: Container): string | null {
  const { mountPoint } = container.engine.store.containers.directories(container.id);
  if (!existsSync(mountPoint)) return null;
  const shown = mountPoint.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${shown} `) ? mountPoint : null;
}

function requireMounts(engine: Engine): void {
  if (engine.environment.mode !== 'none') return;
  throw new BldError('E_ENVIRONMENT', 'this machine allows no mounts here, and the container needs one', {
    hint: engine.environment.reason ?? 'run bld as root, or allow unprivileged user namespaces',
  });
}

/** Mounts the container's layers and its upper directory; nothing else on the machine sees the mount. */
export async function openRootfs(container: Container): Promise<Rootfs> {
  const { engine } = container;
  requireMounts(engine);
  const { record } = read(container);
  const shown = shownAt(container);
  if (shown) return rootfs(sys().cloneTree(shown, false));
  const lower = await layerPaths(engine, record.layers);
  const { upper, work } = engine.store.containers.directories(container.id);
  const top = lower.at(-1);
  if (top === undefined) return rootfs(sys().cloneTree(upper, false));
  prepareUpper(container, top);
  const stack = visibleStack(lower.reverse(), engine.store.kind);
  const { userxattr } = engine.environment;
  return rootfs(sys().mountOverlay({ lower: once(stack), upper, work, userxattr }));
}

/** Two steps may have made the same layer. Only its uppermost place counts, and an overlay takes no directory twice. */
function once(stack: readonly string[]): string[] {
  return [...new Set(stack)];
}

/** The lower directories of an overlay that shows these layers, the uppermost first; an empty one for no layers. */
export async function layerStack(engine: Engine, diffIds: readonly Digest[]): Promise<readonly string[]> {
  const lower = await layerPaths(engine, diffIds);
  if (lower.length > 0) return once(visibleStack(lower.reverse(), engine.store.kind));
  const empty = `${engine.store.scratch()}/empty`;
  mkdirSync(empty, { recursive: true });
  return [empty];
}

/** An image's files, read-only. */
export async function openLayers(engine: Engine, diffIds: readonly Digest[]): Promise<Rootfs> {
  requireMounts(engine);
  const stack = await layerStack(engine, diffIds);
  if (diffIds.length === 0) return rootfs(sys().cloneTree(stack.join(''), false));
  return rootfs(sys().mountOverlay({ lower: stack, userxattr: engine.environment.userxattr }));
}

function rootfs(fd: Fd): Rootfs {
  return { fd, [Symbol.dispose]: () => sys().close(fd) };
}

/**
 * Shows the container's files to the whole machine (`bld mount`), or to this process and its children alone; gives the
 * path. Again is no error.
 */
export async function mount(
  container: Container,
  where: 'everywhere' | 'here' = 'everywhere',
): Promise<string> {
  const { engine } = container;
  const { hostMountNamespace } = engine.environment;
  const shown = shownAt(container);
  if (shown) return shown;
  if (where === 'everywhere' && hostMountNamespace === undefined) {
    throw new BldError('E_ENVIRONMENT', 'a mount made rootless is only visible inside of `bld unshare`', {
      hint: "run it as: bld unshare sh -c 'm=$(bld mount CONTAINER); …'",
    });
  }
  const { mountPoint } = engine.store.containers.directories(container.id);
  makeDirectories(mountPoint);
  using tree = await openRootfs(container);
  sys().attachMount(tree.fd, mountPoint, where === 'here' ? undefined : hostMountNamespace);
  return mountPoint;
}

/** Takes the machine-wide mount away; false when there was none. */
export function unmount(container: Container): boolean {
  const { hostMountNamespace } = container.engine.environment;
  const shown = shownAt(container);
  if (!shown) return false;
  // bld's own namespace is a copy of the one it was started in
  sys().unmount(shown);
  if (hostMountNamespace !== undefined) sys().unmount(shown, hostMountNamespace);
  rmdirSync(shown);
  return true;
}
