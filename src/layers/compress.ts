import { availableParallelism } from 'node:os';
import { constants, createZstdCompress } from 'node:zlib';
import { feed } from './feed.ts';
import { gzip } from './gzip.ts';
import { pieces } from './pieces.ts';
import type { Compression } from './types.ts';

export interface CompressOptions {
  /** gzip 1..9, zstd 1..22; the format's usual level when absent. */
  readonly level?: number;
}

const PIECE = 1 << 20;

type Compressor = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** A transform of byte streams: the same input and level give the same bytes on every machine. */
export function compressor(compression: Compression, { level }: CompressOptions = {}): Compressor {
  switch (compression) {
    case 'none':
      return (source) => source;
    case 'gzip':
      return (source) =>
        gzip(source, { concurrency: availableParallelism() + 1, ...(level !== undefined && { level }) });
    case 'zstd':
      return (source) => zstd(source, level ?? 3);
  }
}

async function* zstd(source: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Buffer> {
  const encoder = createZstdCompress({
    chunkSize: 1 << 18,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const feeding = feed(pieces(source, PIECE), encoder);
  feeding.catch(() => {});
  try {
    yield* encoder;
    await feeding;
  } finally {
    encoder.destroy();
  }
}
