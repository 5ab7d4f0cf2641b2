import { statfsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Descriptor } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { verifying } from '../base/streams.ts';
import { applyLayer, type LayerTarget } from './apply.ts';
import { decompressed } from './decompress.ts';

export interface UnpackRequest {
  readonly blob: Descriptor;
  /** Opens the blob's bytes; ended here. */
  readonly open: () => Readable | Promise<Readable>;
  readonly diffId: Digest;
  readonly target: LayerTarget;
  /** See `ApplyOptions`. */
  readonly below?: readonly string[];
  /** Bytes of the blob that were read since the last call. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Unpacks a layer's blob in one pass: the bytes are verified against the descriptor as they come, what they decompress to
 * against `diffId`. E_INTEGRITY when either differs: then the directory must be thrown away. Returns the bytes of the tar.
 */
export async function unpackBlob(request: UnpackRequest): Promise<{ size: number }> {
  const { blob, diffId, target } = request;
  const source = await request.open();
  const label = `layer ${blob.digest}`;
  let size = 0;
  async function* sized(tar: AsyncIterable<Uint8Array>) {
    const free = freeBytes(target.directory);
    for await (const chunk of tar) {
      size += chunk.length;
      if (size > free) throw tooLarge(label, free);
      yield chunk;
    }
  }
  try {
    const bytes = verifying(counted(source, request), blob, label);
    const plain = decompressed(bytes);
    const tar = sized(verifying(plain, { digest: diffId }, `${label}, decompressed`));
    await applyLayer(tar, target, { below: request.below ?? [] });
    return { size };
  } finally {
    source.destroy();
  }
}

/** A bomb ends here, and not with the disk full for everybody. */
function tooLarge(label: string, free: number): BldError {
  return new BldError('E_DISK_FULL', `${label}: no space left: it unpacks to more than ${free} bytes`, {
    hint: 'free some space (bld rmi --prune, bld rm --all), unless the image is a decompression bomb',
  });
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

async function* counted(source: Readable, { onBytes, signal }: UnpackRequest): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    signal?.throwIfAborted();
    onBytes?.(chunk.length);
    yield chunk;
  }
}
