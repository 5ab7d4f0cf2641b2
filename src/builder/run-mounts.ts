import { existsSync, lchownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { digestOf, hexOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { randomHex } from '../base/random.ts';
import { type Mount, parseMount, type TmpfsMount } from '../dockerfile/mount.ts';
import { visibleStack } from '../layers/root.ts';
import { type Fd, O_PATH, sys } from '../native/sys.ts';
import type { MountFlag, RunMount } from '../runtime/spec.ts';
import { type CacheMount, cacheAt, openCaches } from './cache-mounts.ts';
import type { Container } from './container.ts';
import type { Surroundings } from './copied-mounts.ts';
import type { Engine } from './engine.ts';
import { openFrom } from './origin.ts';
import type { Ownership } from './ownership.ts';
import { type Propagation, parseVolume, propagationOf, type Volume } from './volumes.ts';

export interface MountRequest {
  /** `SOURCE:TARGET[:OPTIONS]`. */
  readonly volumes: readonly string[];
  /** `type=bind,source=…,target=…` as in a Dockerfile's RUN; bind sources are paths of the host unless `from` is given. */
  readonly mounts: readonly string[];
  /** Where relative paths of the host start. */
  readonly cwd: string;
  /** The container's own files. */
  readonly root: Fd;
  /** The command's user, for `:U`. */
  readonly user: Ownership;
}

/** The binds of one command, with what has to stay open or locked while it runs. */
export interface OpenMounts extends AsyncDisposable {
  readonly mounts: readonly RunMount[];
}

/** Opens all that the command gets to see besides its root; dispose it after the command. */
export async function openMounts(container: Container, request: MountRequest): Promise<OpenMounts> {
  await using stack = new AsyncDisposableStack();
  const mounts: RunMount[] = [];
  for (const text of request.volumes) {
    mounts.push(volumeMount(container, parseVolume(text, request.cwd), request.user));
  }
  const written = request.mounts.map(readMount);
  const caches = await openCaches(
    container.engine,
    written.flatMap((mount) => (mount.type === 'cache' ? [{ mount }] : [])),
    stack,
  );
  for (const mount of written) {
    mounts.push(await dockerfileMount(container, mount, { request, stack, caches }));
  }
  const kept = stack.move();
  return { mounts, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function readMount(text: string): Mount {
  try {
    return parseMount(text);
  } catch (error) {
    throw new BldError('E_USAGE', `invalid mount ${JSON.stringify(text)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function volumeMount({ engine }: Container, volume: Volume, user: Ownership): RunMount {
  const { source, target } = volume;
  if (!existsSync(source))
    throw new BldError('E_NOT_FOUND', `volume source ${source}: no such file or directory`);
  if (volume.chown) chownTree(engine, source, user);
  if (volume.overlay) {
    const scratch = join(engine.store.scratch(), `volume-${hexOf(digestOf(target)).slice(0, 16)}`);
    mkdirSync(scratch, { recursive: true });
    return { kind: 'overlay', source, target, scratch };
  }
  return {
    kind: 'bind',
    source,
    target,
    readonly: volume.readonly,
    recursive: volume.recursive,
    options: volume.flags,
    ...(volume.propagation && { propagation: volume.propagation }),
  };
}

/** Gives a tree of the host to the command's user; where there is one id, all of it is his already. */
export function chownTree(engine: Engine, path: string, owner: Ownership): void {
  if (engine.store.kind.owners !== 'real') return;
  lchownSync(path, owner.uid, owner.gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) chownTree(engine, join(path, name), owner);
}

interface Opening {
  readonly request: MountRequest;
  readonly stack: AsyncDisposableStack;
  readonly caches: ReadonlyMap<CacheMount, string>;
}

async function dockerfileMount(
  container: Container,
  mount: Mount,
  { request: { cwd, root }, stack, caches }: Opening,
): Promise<RunMount> {
  switch (mount.type) {
    case 'bind': {
      const propagation = mountPropagation(mount.options);
      const base = {
        kind: 'bind',
        target: mount.target,
        readonly: mount.readonly,
        recursive: true,
        options: mountFlags(mount.options),
        ...(propagation && { propagation }),
      } as const;
      if (mount.from === undefined) return { ...base, source: resolve(cwd, mount.source) };
      const { files, trees } = await openFrom(container.engine, mount.from);
      stack.use(files);
      const root = mount.readonly ? files.fd : discarding(container.engine, trees, stack);
      const fd = sys().openIn(root, Buffer.from(mount.source.replace(/^\/+/, '') || '.'), O_PATH);
      stack.defer(() => sys().close(fd));
      return { ...base, source: fd };
    }
    case 'cache':
      // what a new cache starts with is a Dockerfile's to say
      return {
        kind: 'bind',
        source: cacheAt(caches, mount),
        target: mount.target,
        readonly: mount.readonly,
        recursive: false,
        options: mountFlags(mount.options),
      };
    case 'tmpfs':
      return tmpfsMount(mount, mount.target, { container, root, stack });
    default:
      throw new BldError('E_UNSUPPORTED', `a mount of type ${mount.type} belongs into a Dockerfile's RUN`, {
        hint: 'give the file with --volume PATH:TARGET:ro',
      });
  }
}

/** The trees (bottom first) below a directory that takes what is written, and is thrown away. */
function discarding(
  { store, environment }: Engine,
  trees: readonly string[],
  stack: AsyncDisposableStack,
): Fd {
  const scratch = join(store.scratch(), `bind-${randomHex(8)}`);
  const [upper, work] = [join(scratch, 'upper'), join(scratch, 'work')];
  for (const path of [upper, work]) mkdirSync(path, { recursive: true, mode: 0o755 });
  const { userxattr } = environment;
  const lower = visibleStack(trees.toReversed(), store.kind);
  const fd =
    lower.length > 0 ? sys().mountOverlay({ lower, upper, work, userxattr }) : sys().cloneTree(upper, false);
  stack.defer(() => sys().close(fd));
  return fd;
}

export function mountPropagation({ 'bind-propagation': word }: Mount['options']): Propagation | undefined {
  const propagation = word === undefined ? undefined : propagationOf(word);
  if (word === undefined || propagation) return propagation;
  throw new BldError('E_USAGE', `invalid mount: unknown bind-propagation ${JSON.stringify(word)}`);
}

export function mountFlags(options: Mount['options']): MountFlag[] {
  return (['nosuid', 'nodev', 'noexec'] as const).filter((flag) => flag in options);
}

/** A tmpfs, empty or (`tmpcopyup`) with what the container has in its place. */
export async function tmpfsMount(mount: TmpfsMount, target: string, around: Surroundings): Promise<RunMount> {
  const { size, mode, readonly, options } = mount;
  if ('tmpcopyup' in options) {
    const { filledTmpfs } = await import('./copied-mounts.ts');
    const filled = await filledTmpfs(mount, target, around);
    if (filled) return filled;
  }
  return {
    kind: 'tmpfs',
    target,
    readonly,
    options: mountFlags(options),
    ...(size !== undefined && { size }),
    ...(mode !== undefined && { mode }),
  };
}

/** Binds for directories to which the command writes in vain. */
export async function openDiscarding(
  targets: readonly string[],
  around: Surroundings,
): Promise<readonly RunMount[]> {
  if (targets.length === 0) return [];
  const { discardingMounts } = await import('./copied-mounts.ts');
  return discardingMounts(targets, around);
}
