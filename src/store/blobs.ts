import { closeSync, createReadStream, openSync, readFileSync, rmSync } from 'node:fs';
import { type Digest, digestOf, Hasher } from '../base/digest.ts';
import { BldError, isErrno } from '../base/errors.ts';
import { type BlobFiles, makeBlobFiles } from './blob-files.ts';
import type { Context } from './context.ts';
import { explainAt } from './disk.ts';
import { appendHashed } from './hashing-file.ts';
import { makeIngest } from './ingest.ts';
import { layout } from './layout.ts';
import type { Blobs, Leases } from './types.ts';

const LARGEST_DOCUMENT = 8 * 1024 * 1024; // bytes
const READ_SIZE = 256 * 1024; // bytes

export function makeBlobs(context: Context, leases: Leases): Blobs & { readonly files: BlobFiles } {
  const { root, db, staging } = context;
  const files = makeBlobFiles(context);

  /** What both kinds of staged files do in the end. */
  const discard = (path: string, fd: number) => {
    closeSync(fd);
    rmSync(path, { force: true });
  };

  const lost = (error: unknown, digest: Digest): unknown => {
    if (!isErrno(error, 'ENOENT')) return explainAt(root, error, `reading ${digest}`);
    return new BldError('E_NOT_FOUND', `the blob ${digest} is not in the store`, {
      hint: 'pull the image again, or look what else is missing: bld check',
    });
  };

  const contentOf = (digest: Digest): Buffer => {
    try {
      return readFileSync(layout.blob(root, digest));
    } catch (error) {
      throw lost(error, digest);
    }
  };

  const blobs: Blobs = {
    has: (digest) => files.size(digest) !== null,
    size: files.size,
    path: (digest) => layout.blob(root, digest),

    open(digest, start = 0) {
      try {
        const fd = openSync(layout.blob(root, digest), 'r');
        return createReadStream('', { fd, start, highWaterMark: READ_SIZE });
      } catch (error) {
        throw lost(error, digest);
      }
    },

    read(digest) {
      const size = files.size(digest);
      if (size === null) throw new BldError('E_NOT_FOUND', `the blob ${digest} is not in the store`);
      if (size > LARGEST_DOCUMENT) {
        throw new BldError('E_LIMIT', `${digest} has ${size} bytes: too large for a document`);
      }
      const bytes = contentOf(digest);
      const hasher = new Hasher(digest.startsWith('sha512:') ? 'sha512' : 'sha256');
      hasher.update(bytes);
      if (hasher.digest() === digest) return bytes;
      throw new BldError('E_INTEGRITY', `the blob ${digest} is damaged on disk`, {
        hint: 'find and mend what is damaged: bld check --repair',
      });
    },

    async put(bytes, mediaType = 'application/octet-stream') {
      const digest = digestOf(bytes);
      if (!files.pin(digest)) files.write(bytes, digest);
      return { mediaType, digest, size: bytes.length };
    },

    ingest: makeIngest(context, files, leases),

    async ingestUnknown(open) {
      const { path, fd } = staging.file();
      try {
        const hasher = new Hasher();
        await appendHashed(await open(), fd, { hasher });
        const { size } = hasher;
        const digest = hasher.digest();
        files.adopt(path, digest, size);
        closeSync(fd);
        return { digest, size };
      } catch (error) {
        discard(path, fd);
        throw explainAt(root, error, 'writing to the store');
      }
    },

    stage() {
      const { path, fd } = staging.file();
      let open = true;
      return {
        path,
        fd,
        publish(digest, size) {
          files.adopt(path, digest, size);
          closeSync(fd);
          open = false;
        },
        discard() {
          if (open) discard(path, fd);
          open = false;
        },
      };
    },

    origins(digest) {
      const sql = 'SELECT repository FROM origins WHERE digest = ? ORDER BY id DESC';
      return db.all<{ repository: string }>(sql, digest).map(({ repository }) => repository);
    },

    addOrigin(digest, repository) {
      db.run('INSERT OR REPLACE INTO origins (digest, repository) VALUES (?, ?)', digest, repository);
    },
  };
  return { ...blobs, files };
}
