import { constants, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { BldError, isErrno } from '../../base/errors.ts';
import { LARGEST_FILE } from '../../dockerfile/parse.ts';
import { sys } from '../../native/sys.ts';

/**
 * The text of a file of a fetched tree; null when it is not there. Links lead nowhere but into the tree. E_PATH for what
 * is no file, E_LIMIT for what is too large to be read at once.
 */
export function readInside(directory: string, path: string): string | null {
  const root = sys().openRoot(directory);
  try {
    const fd = sys().openIn(
      root,
      Buffer.from(relative(directory, path)),
      constants.O_RDONLY | constants.O_NONBLOCK,
    );
    try {
      const stat = sys().stat(fd, Buffer.alloc(0));
      const name = relative(directory, path);
      if (stat?.type !== 'file') throw new BldError('E_PATH', `${name} is not a file`);
      if (stat.size > LARGEST_FILE)
        throw new BldError('E_LIMIT', `${name} is larger than ${LARGEST_FILE} bytes`);
      return readFileSync(fd, 'utf8');
    } finally {
      sys().close(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV')) return null;
    throw error;
  } finally {
    sys().close(root);
  }
}
