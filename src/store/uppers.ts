import { lchownSync, lstatSync, renameSync, rmdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import { sys } from '../native/sys.ts';
import { layout, makeDirectory } from './layout.ts';
import { existsDirectory, moveDirectory, removeTree } from './trees.ts';

/*
 * A container's writable layer. `taken` holds an upper directory on its way to become a layer: inside the container's
 * own directory, not in the staging of the process, so that the death of the process costs the container nothing.
 */
const parts = (root: string, id: string) => {
  const directory = layout.container(root, id);
  return {
    directory,
    upper: join(directory, 'upper'),
    work: join(directory, 'work'),
    taken: join(directory, 'taken'),
  };
};

/** The container's directory with an empty upper and work directory. */
export function makeUpper(root: string, id: string): void {
  const { directory, upper, work } = parts(root, id);
  makeDirectory(directory);
  makeDirectory(upper, 0o755); // what the container sees as the mode of `/`
  makeDirectory(work);
}

/** Gives the directory `to` mode and owner of `from`, also where owners live in extended attributes. */
function copyIdentity(from: string, to: string): void {
  const { uid, gid } = lstatSync(from);
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) lchownSync(to, uid, gid);
  const source = sys().openRoot(dirname(from));
  const target = sys().openRoot(dirname(to));
  try {
    for (const { name, value } of sys().getXattrs(source, Buffer.from(basename(from)))) {
      if (name.toString('latin1').startsWith('user.bld.')) {
        sys().setXattr(target, Buffer.from(basename(to)), name, value);
      }
    }
  } finally {
    sys().close(source);
    sys().close(target);
  }
}

/** The side file with the owners of what carries no attribute (see the layers room) goes where its tree goes. */
function moveOwners(from: string, to: string): void {
  try {
    renameSync(join(from, 'owners'), join(to, 'owners'));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** Moves the upper directory to `taken/diff` and puts an empty one like it in its place. Returns the path of `taken`. */
export function takeUpper(root: string, id: string): string {
  putUpperBack(root, id);
  const { directory, upper, work, taken } = parts(root, id);
  makeDirectory(taken);
  moveOwners(directory, taken);
  moveDirectory(upper, join(taken, 'diff'));
  makeDirectory(upper, lstatSync(join(taken, 'diff')).mode & 0o7777);
  copyIdentity(join(taken, 'diff'), upper);
  removeTree(work); // overlay ties a work directory to its upper
  makeDirectory(work);
  return taken;
}

/** Undoes `takeUpper` if its directory is still there; E_IN_USE when the container was written to meanwhile. */
export function putUpperBack(root: string, id: string): void {
  const { directory, upper, taken } = parts(root, id);
  if (existsDirectory(taken)) moveOwners(taken, directory);
  if (existsDirectory(join(taken, 'diff'))) {
    try {
      rmdirSync(upper);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) {
        throw new BldError('E_IN_USE', `the container ${id} changed while its last changes became a layer`, {
          cause: error,
        });
      }
    }
    moveDirectory(join(taken, 'diff'), upper);
  }
  removeTree(taken);
}
