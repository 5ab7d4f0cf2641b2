import { Readable } from 'node:stream';
import { BldError } from '../base/errors.ts';
import type { Body } from './http.ts';

/** Opens the blob's bytes from an offset on; called again for every repetition. Upload destroys what it opened. */
export type BlobOpener = (offset: number) => Readable | Promise<Readable>;

export interface BlobSource {
  readonly open: BlobOpener;
  /** Bytes of the whole blob. */
  readonly size: number;
  /** Names the blob in errors. */
  readonly what: string;
  /** Told the position reached in the blob; it falls back when bytes are sent again. */
  readonly onProgress?: ((position: number) => void) | undefined;
}

async function* slice({ open, size, what, onProgress }: BlobSource, start: number, end: number) {
  const source = await open(start);
  let at = start;
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      const left = end - at;
      if (chunk.length > left && end === size) {
        throw new BldError('E_INTEGRITY', `${what}: the blob is longer than its ${size} bytes`);
      }
      const piece = chunk.length > left ? chunk.subarray(0, left) : chunk;
      at += piece.length;
      yield piece;
      onProgress?.(at);
      if (at === end && end < size) return;
    }
  } finally {
    source.destroy();
  }
  if (at < end) throw new BldError('E_INTEGRITY', `${what}: the blob ends after ${at} of its ${size} bytes`);
}

/** The blob's bytes from `start` to `end` as the body of a request; E_INTEGRITY when the blob is not of its size. */
export function blobBody(source: BlobSource, start: number, end: number): Body {
  const open = () => Readable.from(slice(source, start, end), { objectMode: false });
  return { length: end - start, open: end === start ? () => Buffer.alloc(0) : open };
}
