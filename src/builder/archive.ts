import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { BldError } from '../base/errors.ts';
import { decompressed, sniff } from '../layers/decompress.ts';
import { extractArchive } from '../layers/extract.ts';
import { BLOCK, decodeBlock } from '../layers/tar/header.ts';
import type { Fd } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import type { Ownership } from './ownership.ts';
import { pacedChunks } from './pace.ts';
import type { Source } from './sources.ts';

function openSource(source: Source): Readable {
  return createReadStream(`/proc/self/fd/${source.fd}`);
}

async function head(stream: AsyncIterable<Uint8Array>, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= length) break;
  }
  return Buffer.concat(chunks).subarray(0, length);
}

/** True for what ADD unpacks: a tar, plain or compressed, by its content. */
export async function isArchive(source: Source): Promise<boolean> {
  if (source.stat.size < BLOCK && source.stat.size < 20) return false;
  const start = await head(openSource(source), BLOCK);
  try {
    if (sniff(start) === 'none') decodeBlock(start);
    else decodeBlock(await head(decompressed(openSource(source)), BLOCK));
    return true;
  } catch (error) {
    // not decodable is no archive; a missing decompressor is worth an error
    if (error instanceof BldError && error.code === 'E_UNSUPPORTED') throw error;
    return false;
  }
}

export interface ArchiveTarget {
  readonly rootfs: Fd;
  /** In the container, absolute. */
  readonly destination: string;
  readonly owner: Ownership | null;
  readonly kind: StoreKind;
  /** Of the container's upper directory. */
  readonly ownerFile: string;
  readonly signal?: AbortSignal | undefined;
}

/** Unpacks the archive below the destination; its own owners unless one is given. */
export async function unpackSource(source: Source, target: ArchiveTarget): Promise<void> {
  const stream = openSource(source);
  try {
    await extractArchive(
      pacedChunks(decompressed(stream), target.signal),
      {
        root: target.rootfs,
        destination: Buffer.from(target.destination.replace(/^\/+|\/+$/g, '')),
        owners: target.kind.owners,
        ownerFile: target.ownerFile,
      },
      target.owner ? { chown: target.owner } : {},
    );
  } catch (error) {
    if (error instanceof BldError && error.code === 'E_ARCHIVE') {
      throw new BldError('E_ARCHIVE', `${JSON.stringify(source.text)}: ${error.message}`, { cause: error });
    }
    throw error;
  } finally {
    stream.destroy();
  }
}
