import { closeSync, constants, openSync, readFileSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { BldError } from '../base/errors.ts';
import { shownPath } from '../layers/tar/entry.ts';
import { type Fd, type Stat, sys } from '../native/sys.ts';

const writeLater = promisify(write);

/** Writes all of the chunk on the thread pool; a failure is told when it is waited for. */
export function writeBeside(fd: Fd, chunk: Buffer, position: number): Promise<void> {
  const work = async () => {
    for (let done = 0; done < chunk.length; ) {
      done += (await writeLater(fd, chunk, done, chunk.length - done, position + done)).bytesWritten;
    }
  };
  const writing = work();
  writing.catch(() => {}); // no unhandled one meanwhile
  return writing;
}

/** An object of a source. */
export interface From {
  readonly dir: Fd;
  readonly name: Buffer;
  readonly stat: Stat;
  /** Below the copied root. */
  readonly path: Buffer;
  /** A directory that is only there for what is wanted inside. */
  readonly bare: boolean;
}

/** A source that is held by its own (O_PATH) descriptor has no name: the magic link opens it. */
export function openRead({ dir, name }: From): Fd {
  if (name.length === 0) return openSync(`/proc/self/fd/${dir}`, constants.O_RDONLY | constants.O_NONBLOCK);
  return sys().openIn(dir, name, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** The whole of a small file. */
export function readSmall(from: From): Buffer {
  if (from.name.length > 0) return sys().readFile(from.dir, from.name);
  const fd = openRead(from);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** True when all bytes are NUL. */
export function isZero(chunk: Buffer): boolean {
  return chunk[0] === 0 && chunk.compare(chunk, 1, chunk.length, 0, chunk.length - 1) === 0;
}

/** E_PATH for a source that is not what it was a moment ago. */
export function changed(path: Buffer): BldError {
  return new BldError('E_PATH', `${shownPath(path)} changed while it was copied`, {
    hint: 'run it again when nothing writes to the context',
  });
}
