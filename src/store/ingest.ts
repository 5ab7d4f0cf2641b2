import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Descriptor } from '../base/descriptor.ts';
import { algorithmOf, Hasher } from '../base/digest.ts';
import { BldError, isErrno } from '../base/errors.ts';
import type { BlobFiles } from './blob-files.ts';
import type { Context } from './context.ts';
import { diskFull, explainAt, freeSpace } from './disk.ts';
import { appendHashed, hashFile } from './hashing-file.ts';
import { layout } from './layout.ts';
import type { Blobs, Leases } from './types.ts';

/** A partial download that nobody resumed is dropped after this time. */
export const PARTIAL_LIFETIME = 24 * 60 * 60 * 1000; // ms
/** A partial file smaller than this is not worth a resumption. */
const WORTH_KEEPING = 64 * 1024; // bytes

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** Drops partial downloads that nobody has touched for `age` ms and nobody works on. Bytes freed. */
export function dropPartials({ root, staging }: Context, leases: Leases, age: number): number {
  let freed = 0;
  for (const hex of readdirSync(layout.partials(root))) {
    const path = join(layout.partials(root), hex);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats || Math.abs(Date.now() - stats.mtimeMs) < age) continue;
    using lease = leases.tryHold(`blob:${hex.length === 128 ? 'sha512' : 'sha256'}:${hex}`, 'exclusive');
    if (!lease) continue;
    staging.discard(path);
    freed += stats.size;
  }
  staging.empty();
  return freed;
}

interface Download {
  readonly fd: number;
  readonly expected: Descriptor;
  readonly open: (offset: number) => Promise<Readable>;
  readonly onBytes: ((bytes: number) => void) | undefined;
}

/** Completes the file behind the `start` bytes that it has; true when all of it has the expected digest. */
async function complete({ fd, expected, open, onBytes }: Download, start: number): Promise<boolean> {
  const { digest, size } = expected;
  const hasher = new Hasher(algorithmOf(digest));
  if (start > 0) {
    await hashFile(fd, hasher);
    onBytes?.(start);
  }
  if (start < size) {
    const onChunk = (bytes: number) => {
      if (hasher.size + bytes > size) {
        throw new BldError('E_INTEGRITY', `${digest}: more than the expected ${size} bytes`);
      }
      onBytes?.(bytes);
    };
    await appendHashed(await open(start), fd, { hasher, onChunk });
  }
  if (hasher.size !== size) {
    throw new BldError('E_INTEGRITY', `${digest}: ${hasher.size} bytes instead of ${size}: truncated`);
  }
  return hasher.digest() === digest;
}

/** Downloads into the partial file, from its end on; wrong bytes of an earlier try are thrown away once. */
async function download(work: Download, root: string): Promise<void> {
  const { fd, expected } = work;
  let { size: start } = fstatSync(fd);
  if (start > expected.size) {
    ftruncateSync(fd, 0);
    start = 0;
  }
  const need = expected.size - start;
  const free = freeSpace(root);
  if (free !== undefined && free < need) throw diskFull(root, `storing ${expected.digest}`, need);
  if (await complete(work, start)) return;
  ftruncateSync(fd, 0);
  if (start > 0 && (await complete(work, 0))) return;
  throw new BldError('E_INTEGRITY', `the bytes received for ${expected.digest} have another digest`);
}

/** See `Blobs.ingest`. */
export function makeIngest(context: Context, files: BlobFiles, leases: Leases): Blobs['ingest'] {
  const { root } = context;
  return async (expected, open, onBytes) => {
    const { digest, size } = expected;
    if (files.pin(digest)) return;
    using _lease = await leases.hold(`blob:${digest}`, 'exclusive');
    if (files.pin(digest)) return; // the one that was waited for made it
    dropPartials(context, leases, PARTIAL_LIFETIME);
    const path = layout.partial(root, digest);
    const fd = openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
    try {
      await download({ fd, expected, open, onBytes }, root);
      files.adopt(path, digest, size);
    } catch (error) {
      // A full disk gets its space back, anything else may be resumed.
      const full =
        isErrno(error, 'ENOSPC', 'EDQUOT') || (error instanceof BldError && error.code === 'E_DISK_FULL');
      const { size: have } = fstatSync(fd);
      if (full || have < WORTH_KEEPING || have > size) rmSync(path, { force: true });
      throw explainAt(root, error, `storing ${digest}`, size);
    } finally {
      closeSync(fd);
    }
  };
}
