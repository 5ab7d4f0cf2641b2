import { statfsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Descriptor } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
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
    for await (const chunk of tar) {
      size += chunk.length;
      yield chunk;
    }
  }
  try {
    const bytes = verifying(counted(source, request), blob, label);
    // no honest layer is larger than the disk: a bomb ends here and not with the disk full for everybody
    const plain = decompressed(bytes, { limit: freeBytes(target.directory) });
    const tar = sized(verifying(plain, { digest: diffId }, `${label}, decompressed`));
    await applyLayer(tar, target, { below: request.below ?? [] });
    return { size };
  } finally {
    source.destroy();
  }
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
