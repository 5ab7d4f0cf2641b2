import { constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import type { TmpfsMount } from '../dockerfile/mount.ts';
import { FileQueue } from '../layers/file-queue.ts';
import { ownerWriter } from '../layers/owner.ts';
import { type Fd, sys } from '../native/sys.ts';
import type { RunMount } from '../runtime/spec.ts';
import type { Container } from './container.ts';
import { TreeCopy } from './copy-tree.ts';
import { containerOrigin } from './origin.ts';
import type { Ownership } from './ownership.ts';
import { paced } from './pace.ts';
import { mountFlags } from './run-mounts.ts';
import { makeWorkDirectory } from './work-directory.ts';

const SELF = Buffer.alloc(0);
const ROOT: Ownership = { uid: 0, gid: 0 };
const PROBE = Buffer.from('user.bld.probe');

/** The container as its command finds it, while that runs. */
export interface Surroundings {
  readonly container: Container;
  readonly root: Fd;
  readonly stack: AsyncDisposableStack;
}

/** A tmpfs that begins with what the container has in its place: mode, owner and files. Null where there is no directory. */
export async function filledTmpfs(
  mount: TmpfsMount,
  target: string,
  around: Surroundings,
): Promise<RunMount | null> {
  const { size, mode, readonly } = mount;
  const fd = openDirectory(around, target);
  if (fd === null) return null;
  const copy = sys().mountTmpfs({ size, mode: mode ?? sys().stat(fd, SELF)?.mode ?? 0o755 });
  around.stack.defer(() => sys().close(copy));
  try {
    await copyUp(fd, copy, { around, mode });
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
    const room = size === undefined ? '' : ` of ${size} bytes`;
    throw new BldError('E_USAGE', `what ${target} holds does not fit into a tmpfs${room}`, { cause: error });
  }
  return {
    kind: 'bind',
    source: copy,
    target,
    readonly,
    recursive: false,
    options: mountFlags(mount.options),
  };
}

/**
 * Binds in the places of directories of the container, made when missing: they show what is there, and what is written
 * to them is thrown away.
 */
export async function discardingMounts(
  targets: readonly string[],
  around: Surroundings,
): Promise<readonly RunMount[]> {
  const { container, root, stack } = around;
  const mounts: RunMount[] = [];
  for (const target of targets) {
    makeWorkDirectory(container, root, { path: target, owner: () => ROOT });
    const fd = openDirectory(around, target);
    if (fd === null) throw new Error(`internal: no directory ${target}`);
    const outer = mkdtempSync(join(container.engine.store.scratch(), 'volume-'));
    stack.defer(() => rmSync(outer, { recursive: true, force: true }));
    const source = join(outer, 'files');
    mkdirSync(source);
    const copy = sys().openRoot(source);
    stack.defer(() => sys().close(copy));
    await copyUp(fd, copy, { around });
    mounts.push({ kind: 'bind', source, target, readonly: false, recursive: false });
  }
  return mounts;
}

/** What the container has there, links followed; null when it is no directory. */
function openDirectory({ root, stack }: Surroundings, target: string): Fd | null {
  const path = Buffer.from(target.replace(/^\/+/, '') || '.');
  try {
    const fd = sys().openIn(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
    stack.defer(() => sys().close(fd));
    return fd;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

interface Copying {
  readonly around: Surroundings;
  /** Of the directory itself, where another one is asked for. */
  readonly mode?: number | undefined;
}

async function copyUp(from: Fd, into: Fd, { around, mode }: Copying): Promise<void> {
  const { container, root } = around;
  const { engine } = container;
  const { owners: kind } = engine.store.kind;
  const owner = kind === 'real' || takesRecords(into) ? null : ROOT;
  const { meta } = containerOrigin(container, root);
  const outer = mkdtempSync(join(engine.store.scratch(), 'owners-'));
  try {
    const owners = ownerWriter(kind, join(outer, 'owners'));
    const copy = new TreeCopy({
      owner,
      mode: (given) => given,
      mtime: null,
      meta,
      digests: null,
      wanted: () => true,
    });
    await using queue = new FileQueue();
    const at = { root: into, dir: into, path: SELF, owners, queue };
    await paced(copy.contents(from, at), engine.signal);
    await queue.settle();
    const stat = sys().stat(from, SELF);
    if (!stat) throw new Error('internal: a directory without itself');
    const own = meta(from, SELF, stat);
    owners.set({ dir: into, name: SELF }, { ...own, ...owner, mode: mode ?? own.mode }, SELF);
    owners.flush();
  } finally {
    rmSync(outer, { recursive: true, force: true });
  }
}

/** With one id, owners are attributes; a tmpfs of older kernels takes none, and then all that is in it is root's. */
function takesRecords(fd: Fd): boolean {
  try {
    sys().setXattr(fd, SELF, PROBE, SELF);
    sys().removeXattr(fd, SELF, PROBE.toString());
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTSUP', 'EOPNOTSUPP')) return false;
    throw error;
  }
}
