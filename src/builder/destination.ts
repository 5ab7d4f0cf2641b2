import { constants } from 'node:fs';
import { posix } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import type { OwnerWriter } from '../layers/owner.ts';
import { type Fd, O_PATH, sys } from '../native/sys.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY;

/** A path in the container in full: a relative one starts at the working directory; never above the root. */
export function inContainer(path: string, workingDir: string | undefined): string {
  return posix.resolve('/', workingDir ?? '/', path);
}

export interface NewDirectories {
  /** Given to each directory that is made. */
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly owners: OwnerWriter;
  /** 0755 when absent. */
  readonly mode?: number | undefined;
  readonly mtime?: bigint | null;
  /** Gets the path of the parent below the root, and the name, of each. */
  readonly onMade?: ((at: { readonly path: Buffer; readonly name: Buffer }) => void) | undefined;
  /** Links that may still be followed to where nothing is. */
  readonly links?: number;
}

const MOST_LINKS = 40;

/**
 * Opens the directory, made with its missing parents; links on the way are followed inside the root.
 * E_PATH when something on the way is no directory. The caller closes it.
 */
export function ensureDirectory(root: Fd, path: string, made: NewDirectories): Fd {
  const bytes = Buffer.from(path.replace(/^\/+/, '') || '.');
  try {
    return sys().openIn(root, bytes, DIRECTORY);
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) throw notDirectory(path);
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const parent = ensureDirectory(root, posix.dirname(path), made);
  try {
    const name = Buffer.from(posix.basename(path));
    try {
      sys().mkdir(parent, name, 0o755);
      made.onMade?.({ path: Buffer.from(posix.dirname(path).replace(/^\/+/, '')), name });
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return throughLink(root, { path, parent, name }, made);
      throw error;
    }
    const meta = { type: 'dir', mode: made.mode ?? 0o755, ...made.owner, xattrs: null } as const;
    made.owners.set({ dir: parent, name }, meta, Buffer.from(path.replace(/^\/+/, '')));
    if (made.mtime != null) sys().setTimes(parent, name, made.mtime);
    return sys().openIn(parent, name, DIRECTORY | constants.O_NOFOLLOW);
  } finally {
    sys().close(parent);
  }
}

interface Link {
  readonly path: string;
  readonly parent: Fd;
  readonly name: Buffer;
}

/** A link that leads nowhere yet: the directory is made where it points to. */
function throughLink(root: Fd, { path, parent, name }: Link, made: NewDirectories): Fd {
  const left = (made.links ?? MOST_LINKS) - 1;
  if (left === 0 || sys().stat(parent, name)?.type !== 'symlink') throw notDirectory(path);
  const target = sys().readLink(parent, name).toString();
  return ensureDirectory(root, posix.resolve('/', posix.dirname(path), target), { ...made, links: left });
}

function notDirectory(path: string): BldError {
  return new BldError('E_PATH', `destination ${path} already exists but is not a directory`);
}

/** The path with all links in it followed, inside the root; what is not there needs not be. E_PATH in a circle of links. */
export function followed(root: Fd, path: string): string {
  const left = path.split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; left.length > 0; ) {
    const next = posix.join(at, left.shift() ?? '');
    const target = linkAt(root, next);
    if (target === null) {
      at = next;
      continue;
    }
    if (++links > MOST_LINKS) throw new BldError('E_PATH', `destination ${path}: too many links`);
    left.unshift(...target.split('/').filter(Boolean));
    if (target.startsWith('/')) at = '/';
  }
  return at;
}

/** Where the link leads that stands at the path, whose directories are no links. */
function linkAt(root: Fd, path: string): string | null {
  let fd: Fd;
  try {
    fd = sys().openIn(root, Buffer.from(path.replace(/^\/+/, '') || '.'), O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
  try {
    const isLink = sys().stat(fd, Buffer.alloc(0))?.type === 'symlink';
    return isLink ? sys().readLink(fd, Buffer.alloc(0)).toString() : null;
  } finally {
    sys().close(fd);
  }
}

/** What stands at the path, links followed: `dir`, `other`, or nothing. */
export function kindAt(root: Fd, path: string): 'dir' | 'other' | null {
  try {
    const fd = sys().openIn(root, Buffer.from(path.replace(/^\/+/, '') || '.'), O_PATH);
    try {
      return sys().stat(fd, Buffer.alloc(0))?.type === 'dir' ? 'dir' : 'other';
    } finally {
      sys().close(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}
