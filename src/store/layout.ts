import { chmodSync, lstatSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf } from '../base/digest.ts';
import { BldError, explain, isErrno } from '../base/errors.ts';
import { makeDirectories } from '../base/fs.ts';

/** Where things lie below a store's root: the one place that knows. */
export const layout = {
  index: (root: string) => join(root, 'bld.db'),
  blob: (root: string, digest: Digest) => join(root, 'blobs', algorithm(digest), hexOf(digest)),
  blobs: (root: string, algorithm: 'sha256' | 'sha512') => join(root, 'blobs', algorithm),
  layers: (root: string) => join(root, 'layers'),
  layer: (root: string, diffId: Digest) => join(root, 'layers', hexOf(diffId)),
  cacheMounts: (root: string) => join(root, 'cache-mounts'),
  containers: (root: string) => join(root, 'containers'),
  container: (root: string, id: string) => join(root, 'containers', id),
  records: (root: string) => join(root, 'records'),
  ballast: (root: string) => join(root, 'bld.ballast'),
  /** The store's kind, for a repair of the index. */
  kind: (root: string) => join(root, 'bld.kind'),
  presence: (root: string, process: string) => join(root, 'leases', process),
  leases: (root: string) => join(root, 'leases'),
  staging: (root: string, process: string) => join(root, 'tmp', process),
  tmp: (root: string) => join(root, 'tmp'),
  partials: (root: string) => join(root, 'tmp', 'partial'),
  partial: (root: string, digest: Digest) => join(root, 'tmp', 'partial', hexOf(digest)),
};

const DIRECTORIES = [
  'blobs/sha256',
  'blobs/sha512',
  'layers',
  'containers',
  'cache-mounts',
  'records',
  'leases',
  'tmp/partial',
];
/** What may lie in a directory that becomes a store: ours, and what a fresh volume brings. */
const EXPECTED = /^(?:bld\..*|blobs|layers|containers|cache-mounts|records|leases|logs|tmp|lost\+found)$/;

function algorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** A directory for us alone, whatever the umask. `mode` is exact. */
export function makeDirectory(path: string, mode = 0o700): void {
  mkdirSync(path, { mode });
  chmodSync(path, mode);
}

/**
 * Others must not be able to put files below our feet: the directory is ours, and nobody else may write to it.
 * `what` names it in the error (E_STORE).
 */
function checkOwnership(path: string, stats: Stats, what: string): void {
  if (!stats.isDirectory()) throw new BldError('E_STORE', `${what} ${path} is not a directory`);
  const self = process.geteuid?.() ?? 0;
  if (stats.uid !== self) {
    throw new BldError('E_STORE', `${what} ${path} belongs to uid ${stats.uid}, and bld runs as ${self}`, {
      hint: `run bld as the owner, or choose another place with --${what === 'the store' ? 'root' : 'runroot'}`,
    });
  }
  if ((stats.mode & 0o022) !== 0 && (stats.mode & 0o1000) === 0) {
    const mode = (stats.mode & 0o7777).toString(8);
    throw new BldError('E_STORE', `${what} ${path} can be written by other users (mode ${mode})`, {
      hint: `chmod go-w ${path}, or use a directory of your own below it`,
    });
  }
}

/** The directory, also behind a symlink of our own: one that somebody else made could lead anywhere. */
function statOrNull(path: string): Stats | null {
  try {
    const stats = lstatSync(path);
    return stats.isSymbolicLink() && stats.uid === process.geteuid?.() ? statSync(path) : stats;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw explain(error, 'opening the store');
  }
}

/** The run directory, made when missing, refused when it is not ours alone (a name in /tmp can be taken by others). */
export function prepareRunroot(path: string): void {
  try {
    makeDirectories(path, 0o700);
  } catch (error) {
    if (isErrno(error, 'EROFS', 'EACCES')) return; // reading commands need none; the first that does will say so
    throw explain(error, `making ${path}`);
  }
  const stats = statOrNull(path);
  if (stats) checkOwnership(path, stats, 'the run directory');
}

/** True when the root is there and passed its checks; false when there is none yet. */
export function checkRoot(root: string): boolean {
  const stats = statOrNull(root);
  if (stats) checkOwnership(root, stats, 'the store');
  return stats !== null;
}

/** Makes the root and its directories; E_STORE when the directory is in use for something else. */
export function prepareRoot(root: string): void {
  try {
    makeDirectories(root, 0o700);
    const strange = readdirSync(root).find((name) => !EXPECTED.test(name));
    if (strange !== undefined) {
      throw new BldError('E_STORE', `${root} is not empty and holds no store of bld (it has ${strange})`, {
        hint: 'choose an empty directory, or one that does not exist yet',
      });
    }
    chmodSync(root, 0o700);
    for (const name of DIRECTORIES) makeDirectories(join(root, name), 0o700);
  } catch (error) {
    throw explain(error, 'making the store');
  }
}
