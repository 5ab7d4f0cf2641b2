import { BldError } from '../base/errors.ts';

/** Values of `compressionFlags`. */
export interface CompressionValues {
  readonly disableCompression: boolean | undefined;
  readonly compressionFormat: 'gzip' | 'zstd' | 'zstd:chunked' | undefined;
  readonly compressionLevel: number | undefined;
  readonly forceCompression: boolean;
}

export interface CompressionOptions {
  readonly compression?: 'none' | 'gzip' | 'zstd';
  readonly level?: number;
  readonly force?: boolean;
}

/** How layers are compressed, from a command's flags; what is absent is the destination's choice. */
export function compressionOptions(values: CompressionValues): CompressionOptions {
  const { disableCompression, compressionFormat: format, compressionLevel: level, forceCompression } = values;
  if (format === 'zstd:chunked') {
    throw new BldError('E_UNSUPPORTED', 'layers in zstd:chunked are read, not written', { hint: 'use zstd' });
  }
  if (disableCompression && format !== undefined) {
    throw new BldError('E_USAGE', '--disable-compression and --compression-format exclude each other');
  }
  const compression = disableCompression ? 'none' : format;
  return {
    ...(compression && { compression }),
    ...(level !== undefined && { level }),
    ...(forceCompression && { force: true }),
  };
}
