import { constants } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import type { OwnerWriter } from '../layers/owner.ts';
import { shownPath } from '../layers/tar/entry.ts';
import type { Location } from '../layers/types.ts';
import { type Fd, sys } from '../native/sys.ts';

/** Where copies go: a directory of the container and the writer that gives owners. */
export interface Target {
  readonly root: Fd;
  readonly dir: Fd;
  /** Path of `dir` below `root`; no leading slash. */
  readonly path: Buffer;
  readonly owners: OwnerWriter;
}

/** The path below the root of what has this name in the target. */
export function pathOf(target: Target, name: Buffer): Buffer {
  return target.path.length > 0 ? Buffer.concat([target.path, Buffer.from('/'), name]) : name;
}

/** Makes something of that name; what stands there already, and is no directory, gives way. */
export function replace({ dir, name }: Location, make: () => void): void {
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

/** A directory of that name; one that is there stays, anything else is an error. */
export function makeDirectory(dir: Fd, name: Buffer): void {
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
}

/** One more name for a file that was copied already. A path each time: one descriptor a file could be too many. */
export function linkTwin(
  twin: { readonly dir: Buffer; readonly name: Buffer },
  target: Target,
  as: Buffer,
): void {
  const path = twin.dir.length > 0 ? twin.dir : Buffer.from('.');
  const dir = sys().openIn(target.root, path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    replace({ dir: target.dir, name: as }, () => sys().link(dir, twin.name, target.dir, as));
  } finally {
    sys().close(dir);
  }
}
