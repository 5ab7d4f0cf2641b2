import { read, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { Hasher } from '../base/digest.ts';

/** Bytes handed to the kernel in one call. */
const BATCH = 1024 * 1024;
const MAX_VECTORS = 1024; // IOV_MAX

const readAt = promisify(read);
const writeMany = promisify(writev);

/** What of `chunks` remains after the first `written` bytes. */
function rest(chunks: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const left: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.length) left.push(skip === 0 ? chunk : chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.length);
  }
  return left;
}

async function writeAll(fd: number, chunks: readonly Uint8Array[]): Promise<void> {
  let left = chunks;
  while (left.length > 0) {
    const { bytesWritten } = await writeMany(fd, left);
    left = rest(left, bytesWritten);
  }
}

/** Feeds what the file holds from its beginning to `hasher`. */
export async function hashFile(fd: number, hasher: Hasher): Promise<void> {
  const buffer = Buffer.allocUnsafe(BATCH);
  for (let at = 0; ; ) {
    const { bytesRead } = await readAt(fd, buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    hasher.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/**
 * Appends the stream to `fd` and to `hasher`: the thread pool writes one batch while this thread hashes the next.
 * `onChunk` sees every chunk's size before it is written, and may throw. Waits for its writes in any case.
 */
export async function appendHashed(
  source: AsyncIterable<Uint8Array>,
  fd: number,
  { hasher, onChunk }: { readonly hasher: Hasher; readonly onChunk?: (bytes: number) => void },
): Promise<void> {
  let batch: Uint8Array[] = [];
  let size = 0;
  let writing = Promise.resolve();
  const flush = async () => {
    await writing;
    writing = writeAll(fd, batch);
    writing.catch(() => {}); // awaited before the next batch, and at the end
    batch = [];
    size = 0;
  };
  try {
    for await (const chunk of source) {
      onChunk?.(chunk.length);
      hasher.update(chunk);
      batch.push(chunk);
      size += chunk.length;
      if (size >= BATCH || batch.length >= MAX_VECTORS) await flush();
    }
    await flush();
  } catch (error) {
    await writing.catch(() => {});
    throw error;
  }
  await writing;
}
