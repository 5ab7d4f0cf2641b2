import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, posix } from 'node:path';
import { BldError, isErrno } from '../../base/errors.ts';
import type { BindMount, CacheMount, Mount } from '../../dockerfile/mount.ts';
import { FileQueue } from '../../layers/file-queue.ts';
import { ownerWriter } from '../../layers/owner.ts';
import { ownerFileOf } from '../../layers/owner-file.ts';
import { type Fd, O_PATH, sys } from '../../native/sys.ts';
import type { RunMount } from '../../runtime/spec.ts';
import { openCaches } from '../cache-mounts.ts';
import { TreeCopy } from '../copy-tree.ts';
import { inContainer } from '../destination.ts';
import { type Filter, filterOf } from '../ignore.ts';
import { digestsOf, type Origin } from '../origin.ts';
import type { Ownership } from '../ownership.ts';
import { paced } from '../pace.ts';
import { mountFlags, mountPropagation } from '../run-mounts.ts';
import { type FileSource, sourceOf } from './sources.ts';
import type { StepPlace } from './stage.ts';

const SELF = Buffer.alloc(0);

/** A mount of a RUN whose files come from somewhere: bind, or a cache that starts with something. */
type FilledMount = BindMount | CacheMount;

/**
 * What the mount is called in the key: all that was written, and for a bind the content of its files; or, by reference,
 * the names of the layers that have them, where there are such.
 */
export async function mountInput(
  place: StepPlace,
  mount: Mount,
  how: 'content' | 'reference' = 'content',
): Promise<string> {
  const { options, ...rest } = mount;
  const written = JSON.stringify([rest, options]);
  if (mount.type !== 'bind') return written;
  const source = await sourceOf(place.job, place.stage, mount.from);
  if (how === 'reference' && source.reference !== undefined) return `${written} in ${source.reference}`;
  using origin = await source.open();
  return `${written} ${await copyFiles(place, { mount, origin, source }, null)}`;
}

interface Files {
  readonly mount: FilledMount;
  readonly origin: Origin;
  readonly source: FileSource;
  /** Who gets the copies; they keep their owners when absent. */
  readonly owner?: Ownership | undefined;
}

/** Hashes the mount's files and, into a directory, copies them. */
async function copyFiles(
  place: StepPlace,
  { mount, origin, source, owner = undefined }: Files,
  into: string | null,
): Promise<string> {
  const { engine } = place.container;
  const filter: Filter = filterOf({ ignore: source.ignore });
  const path = relative(mount.source);
  const keep = { mode: (mode: number) => mode, mtime: null, meta: origin.meta };
  const rules = { ...keep, owner: owner ?? null, digests: digestsOf(origin, engine) };
  const copy = new TreeCopy({ ...rules, wanted: filter.below(path === '.' ? '' : path) });
  const fd = openInside(origin.root.fd, mount);
  const target = into === null ? null : sys().openRoot(into);
  const owners = ownerWriter(
    engine.store.kind.owners,
    ownerFileOf(into ?? join(engine.store.scratch(), 'files')),
  );
  try {
    await using queue = new FileQueue();
    const at = target === null ? null : { root: target, dir: target, path: SELF, owners, queue };
    const isDirectory = sys().stat(fd, SELF)?.type === 'dir';
    const steps = isDirectory ? copy.contents(fd, at) : copy.object(fd, SELF, at, Buffer.from('file'));
    await paced(steps, engine.signal);
    await queue.settle();
    if (target !== null && owner && isDirectory) {
      owners.set({ dir: target, name: SELF }, { type: 'dir', mode: 0o755, ...owner, xattrs: null }, SELF);
    }
    owners.flush();
    return copy.end();
  } finally {
    sys().close(fd);
    if (target !== null) sys().close(target);
  }
}

function relative(path: string): string {
  return posix.resolve('/', path).slice(1) || '.';
}

function openInside(root: Fd, mount: FilledMount): Fd {
  try {
    return sys().openIn(root, Buffer.from(relative(mount.source)), O_PATH);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    const where = mount.from === undefined ? 'the context' : mount.from;
    throw new BldError('E_NOT_FOUND', `--mount: ${JSON.stringify(mount.source)} is not in ${where}`);
  }
}

/**
 * A bind of the context, a stage or an image. What is written to it is thrown away. Files that the ignore file leaves
 * out are not to be seen, and the owner of the files is not to be changed (`U`): then the bind shows a copy.
 */
export async function openBind(place: StepPlace, mount: BindMount, command: Command): Promise<RunMount> {
  const { stack, cwd, user } = command;
  const source = await sourceOf(place.job, place.stage, mount.from);
  const origin = stack.use(await source.open());
  const propagation = mountPropagation(mount.options);
  const bind = {
    kind: 'bind',
    target: inContainer(mount.target, cwd),
    readonly: mount.readonly,
    recursive: !('bind-nonrecursive' in mount.options),
    options: mountFlags(mount.options),
    ...(propagation && { propagation }),
  } as const;
  const owner = 'U' in mount.options ? user : undefined;
  const needsCopy = owner !== undefined || (source.ignore?.rules.length ?? 0) > 0;
  if (!needsCopy && mount.readonly)
    return { ...bind, source: keep(stack, openInside(origin.root.fd, mount)) };
  const copied = scratchDirectory(place, stack, 'bind-');
  if (!needsCopy) {
    const fd = await openWritable(place, source, copied);
    return { ...bind, source: keep(stack, openInside(keep(stack, fd), mount)) };
  }
  const fd = keep(stack, openInside(origin.root.fd, mount));
  const isDirectory = sys().stat(fd, SELF)?.type === 'dir';
  await copyFiles(place, { mount, origin, source, owner }, copied);
  return { ...bind, source: isDirectory ? copied : join(copied, 'file') };
}

/** The source's tree under a directory that takes what is written. */
async function openWritable({ container }: StepPlace, source: FileSource, directory: string): Promise<Fd> {
  const [upper, work] = [join(directory, 'upper'), join(directory, 'work')];
  for (const path of [upper, work]) mkdirSync(path, { mode: 0o755 });
  const { userxattr } = container.engine.environment;
  return sys().mountOverlay({ lower: await source.trees(), upper, work, userxattr });
}

/** While the command runs. */
export interface Command {
  readonly cwd: string;
  readonly user: Ownership;
  readonly root: Fd;
  readonly stack: AsyncDisposableStack;
}

function keep(stack: AsyncDisposableStack, fd: Fd): Fd {
  stack.defer(() => sys().close(fd));
  return fd;
}

/** A directory of the store's file system that is gone after the command. */
export function scratchDirectory(
  { container }: StepPlace,
  stack: AsyncDisposableStack,
  name: string,
): string {
  const outer = mkdtempSync(join(container.engine.store.scratch(), name));
  stack.defer(() => rmSync(outer, { recursive: true, force: true }));
  const directory = join(outer, 'files');
  mkdirSync(directory, { mode: 0o755 });
  return directory;
}

/** The caches among the mounts, held while the command runs; a new one begins as a copy of its `from`. */
export function openStepCaches(
  place: StepPlace,
  mounts: readonly Mount[],
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<CacheMount, string>> {
  const namespace = place.scope.inputs.buildArgs.get('BUILDKIT_CACHE_MOUNT_NS');
  const requests = mounts
    .filter((mount) => mount.type === 'cache')
    .map((mount) => ({ mount, namespace, fill: (directory: string) => fillCache(place, mount, directory) }));
  return openCaches(place.container.engine, requests, stack);
}

async function fillCache(place: StepPlace, mount: CacheMount, directory: string): Promise<void> {
  if (mount.from === undefined) return;
  const source = await sourceOf(place.job, place.stage, mount.from);
  using origin = await source.open();
  await copyFiles(place, { mount, origin, source }, directory);
}
