import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { BldError, isErrno } from '../base/errors.ts';
import { external } from './external.ts';
import { feed } from './feed.ts';
import { zstdFrames } from './zstd-frames.ts';

export type Encoding = 'gzip' | 'zstd' | 'bzip2' | 'xz' | 'none';

/** Bytes that `sniff` needs to be sure. */
const MAGIC_LENGTH = 6;
const CHUNK = 1 << 20;

/** What a stream is compressed with, by its first bytes; media types and file names lie. */
export function sniff(head: Uint8Array): Encoding {
  const [a, b, c, d, e, f] = head;
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd';
  if (a === 0x42 && b === 0x5a && c === 0x68 && d !== undefined && d >= 0x31 && d <= 0x39) return 'bzip2';
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58 && e === 0x5a && f === 0) return 'xz';
  return 'none';
}

/** The stream again, and its first bytes (fewer only when it is shorter). */
async function peek(source: AsyncIterable<Uint8Array>): Promise<{
  readonly head: Buffer;
  readonly whole: AsyncGenerator<Uint8Array>;
}> {
  const chunks = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_LENGTH) {
    const step = await chunks.next();
    if (step.done) break;
    head =
      head.length === 0
        ? Buffer.from(step.value.buffer, step.value.byteOffset, step.value.length)
        : Buffer.concat([head, step.value]);
  }
  async function* whole() {
    try {
      if (head.length > 0) yield head;
      for (;;) {
        const step = await chunks.next();
        if (step.done) return;
        yield step.value;
      }
    } finally {
      await chunks.return?.();
    }
  }
  return { head, whole: whole() };
}

/** A zlib decoder over the stream. E_ARCHIVE when the data is damaged, truncated, or followed by anything else. */
async function* decoded(
  source: AsyncIterable<Uint8Array>,
  decoder: Gunzip | ZstdDecompress,
  what: string,
): AsyncGenerator<Buffer> {
  const feeding = feed(source, decoder);
  feeding.catch(() => {});
  try {
    yield* decoder;
    const { taken } = await feeding;
    if (decoder.bytesWritten !== taken) {
      throw new BldError('E_ARCHIVE', `damaged ${what} stream: bytes after its end`);
    }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || isErrno(error) || error instanceof BldError)
      throw error;
    throw new BldError('E_ARCHIVE', `damaged ${what} stream: ${error.message}`, { cause: error });
  } finally {
    decoder.destroy();
  }
}

async function* limited(source: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) {
      throw new BldError('E_LIMIT', `compressed data unpacks to more than ${limit} bytes`, {
        hint: 'the archive may be a decompression bomb; free disk space if it is not',
      });
    }
    yield chunk;
  }
}

/**
 * The stream's plain bytes, whatever it is compressed with; E_LIMIT beyond `limit` bytes of them. One layer of
 * compression alone is undone. Reads the source to its end.
 */
export async function* decompressed(
  source: AsyncIterable<Uint8Array>,
  { limit = Number.POSITIVE_INFINITY }: { readonly limit?: number } = {},
): AsyncGenerator<Buffer> {
  const { head, whole } = await peek(source);
  yield* limited(plain(whole, sniff(head)), limit);
}

function plain(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncIterable<Buffer> {
  switch (encoding) {
    case 'gzip':
      return decoded(source, createGunzip({ chunkSize: CHUNK }), 'gzip');
    case 'zstd':
      return decoded(
        zstdFrames(source),
        createZstdDecompress({ chunkSize: CHUNK, params: { [constants.ZSTD_d_windowLogMax]: 27 } }),
        'zstd',
      );
    case 'bzip2':
    case 'xz':
      return external(source, encoding);
    case 'none':
      return buffers(source);
  }
}

async function* buffers(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
}
