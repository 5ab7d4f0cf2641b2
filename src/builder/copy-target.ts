import { constants } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { FileQueue } from '../layers/file-queue.ts';
import type { OwnerWriter } from '../layers/owner.ts';
import { shownPath } from '../layers/tar/entry.ts';
import { type Fd, sys } from '../native/sys.ts';

const SELF = Buffer.from('.');

/** Where copies go: a directory of the container and the writer that gives owners. */
export interface Target {
  readonly root: Fd;
  readonly dir: Fd;
  /** Path of `dir` below `root`; no leading slash. */
  readonly path: Buffer;
  readonly owners: OwnerWriter;
  /** Small files go through it: settled before anything looks for them. */
  readonly queue: FileQueue;
  /** Gets what the copy makes anew in directories that were there before; none in a directory that is new itself. */
  readonly made?: Made[] | undefined;
}

/** An object in the container: its directory's path below the root, and its name. */
export interface Made {
  readonly path: Buffer;
  readonly name: Buffer;
}

/** True when nothing has the name yet. Noted before it is made, for half a file is one, too. */
export function isNew({ dir, path, made }: Target, name: Buffer): boolean {
  if (sys().stat(dir, name)) return false;
  made?.push({ path, name });
  return true;
}

/** Removes what a copy that failed has made anew, as far as that goes. */
export function undo(root: Fd, made: readonly Made[]): void {
  for (const { path, name } of made.toReversed()) {
    try {
      const dir = openDirectory(root, path);
      try {
        sys().removeTree(dir, name);
      } finally {
        sys().close(dir);
      }
    } catch (error) {
      log.debug(`${shownPath(name)} stays of the copy that failed: ${String(error)}`);
    }
  }
}

function openDirectory(root: Fd, path: Buffer): Fd {
  return sys().openIn(root, path.length > 0 ? path : SELF, constants.O_RDONLY | constants.O_DIRECTORY);
}

/** The path below the root of what has this name in the target. */
export function pathOf(target: Target, name: Buffer): Buffer {
  return target.path.length > 0 ? Buffer.concat([target.path, Buffer.from('/'), name]) : name;
}

/** Makes something of that name; what stands there already, and is no directory, gives way. */
export function replace(target: Target, name: Buffer, make: () => void): void {
  const { dir, made } = target;
  if (made) isNew(target, name);
  try {
    make();
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    if (sys().stat(dir, name)?.type === 'dir') {
      throw new BldError(
        'E_PATH',
        `${shownPath(name)} is a directory in the container: a file cannot replace it`,
      );
    }
    sys().unlink(dir, name);
    make();
  }
}

/** A directory of that name; one that is there stays, anything else is an error. What is in it is new when it is. */
export function makeDirectory(target: Target, name: Buffer): Made[] | undefined {
  const { dir, made } = target;
  const below = made && isNew(target, name) ? undefined : made;
  try {
    sys().mkdir(dir, name, 0o755);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    if (sys().stat(dir, name)?.type !== 'dir') {
      throw new BldError(
        'E_PATH',
        `${shownPath(name)} is a file in the container: a directory cannot replace it`,
      );
    }
  }
  return below;
}

/** One more name for a file that was copied already. A path each time: one descriptor a file could be too many. */
export function linkTwin(
  twin: { readonly dir: Buffer; readonly name: Buffer },
  target: Target,
  as: Buffer,
): void {
  const dir = openDirectory(target.root, twin.dir);
  try {
    replace(target, as, () => sys().link(dir, twin.name, target.dir, as));
  } finally {
    sys().close(dir);
  }
}
