import { closeSync, constants, fstatSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { BldError } from '../base/errors.ts';
import { type Fd, sys } from '../native/sys.ts';
import { shownPath } from './tar/entry.ts';
import type { EntryChange } from './types.ts';

const CHUNK = 1 << 20;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const readFd = promisify(read);

/** The error for a file that is not what it was when its size was told. */
export function changedFile(path: Buffer, expected: number, found: number): BldError {
  return new BldError(
    'E_INTEGRITY',
    `${shownPath(path)} changed while it was read: ${found} bytes instead of ${expected}`,
  );
}

async function readChunk(fd: Fd, position: number, size: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await readFd(fd, buffer, filled, size - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/**
 * A large file's bytes in chunks of 1 MiB, the next being read while one is used. Exactly `meta.size` of them, or
 * E_INTEGRITY; holes are read as zeros.
 */
export async function* readBody({ at, meta, path }: EntryChange): AsyncGenerator<Buffer> {
  const fd = sys().openIn(at.dir, at.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  let pending: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size !== meta.size) throw changedFile(path, meta.size, stats.size);
    const ask = (position: number) => readChunk(fd, position, Math.min(CHUNK, meta.size - position));
    pending = ask(0);
    for (let position = 0; position < meta.size; ) {
      const chunk = await pending;
      position += chunk.length;
      if (chunk.length === 0) throw changedFile(path, meta.size, position);
      if (position < meta.size) pending = ask(position);
      yield chunk;
    }
    const after = fstatSync(fd).size;
    if (after !== meta.size) throw changedFile(path, meta.size, after);
  } finally {
    await pending.catch(() => {});
    closeSync(fd);
  }
}
