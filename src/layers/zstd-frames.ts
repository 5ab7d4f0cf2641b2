/**
 * Frames of a zstd stream (RFC 8878, 3.1), found by their block headers. Node's decoder stops at the first frame that
 * ends inside of a chunk; so the chunks are cut at frame ends here, and skippable frames (zstd:chunked) taken out.
 */
import { BldError } from '../base/errors.ts';
import { Supply } from './tar/supply.ts';

const MAGIC = 0xfd2fb528;
/** 128 MiB, as the zstd program's own limit: what a decoder may have to hold in memory. */
const WINDOW_MAX = 2 ** 27;
/** Chunks are gathered to about this many bytes: each costs the decoder a trip to its thread. */
const CHUNK = 1 << 18;

function damaged(what: string): BldError {
  return new BldError('E_ARCHIVE', `damaged zstd stream: ${what}`);
}

/** Bytes of the frame header after the magic number, which starts with its descriptor; E_LIMIT for a huge window. */
async function frameHeader(supply: Supply): Promise<{ bytes: Buffer; checksum: boolean }> {
  const first = await supply.exactly(1);
  const descriptor = first[0] ?? 0;
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const rest = await supply.exactly((single ? 0 : 1) + dictionary + sizeBytes);
  const window = single
    ? contentSize(rest.subarray(dictionary))
    : 2 ** (10 + ((rest[0] ?? 0) >> 3)) * (1 + ((rest[0] ?? 0) & 7) / 8);
  if (window > WINDOW_MAX) {
    throw new BldError(
      'E_LIMIT',
      `a zstd stream needs a window of ${window} bytes; bld allows ${WINDOW_MAX}`,
    );
  }
  return { bytes: Buffer.concat([first, rest]), checksum: (descriptor & 4) !== 0 };
}

function contentSize(field: Buffer): number {
  if (field.length === 2) return field.readUInt16LE() + 256;
  return field.length === 8 ? Number(field.readBigUInt64LE()) : field.readUIntLE(0, field.length);
}

async function skip(supply: Supply, count: number): Promise<void> {
  for (let left = count; left > 0; ) left -= (await supply.some(left)).length;
}

/** One frame's bytes after its magic number, block by block. */
async function* frame(supply: Supply): AsyncGenerator<Buffer> {
  const { bytes, checksum } = await frameHeader(supply);
  yield bytes;
  for (let last = false; !last; ) {
    const head = await supply.exactly(3);
    yield head;
    const word = head.readUIntLE(0, 3);
    const kind = (word >> 1) & 3;
    if (kind === 3) throw damaged('a reserved block type');
    last = (word & 1) !== 0;
    // a run-length block has one byte, whatever its size says
    for (let left = kind === 1 ? 1 : word >> 3; left > 0; ) {
      const part = supply.ready(left) ?? (await supply.some(left));
      left -= part.length;
      yield part;
    }
  }
  if (checksum) yield await supply.exactly(4);
}

/** The stream's frames with data, in chunks none of which holds bytes of two frames. E_ARCHIVE when it is no zstd to the end. */
export async function* zstdFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const supply = new Supply(source);
  try {
    for (;;) {
      const magic = await supply.exactlyOrEnd(4);
      if (!magic) return;
      const number = magic.readUInt32LE();
      if (number >>> 4 === 0x184d2a5) {
        await skip(supply, (await supply.exactly(4)).readUInt32LE());
        continue;
      }
      if (number !== MAGIC) throw damaged('bytes after its end');
      let parts = [magic];
      let size = magic.length;
      for await (const part of frame(supply)) {
        parts.push(part);
        size += part.length;
        if (size < CHUNK) continue;
        yield Buffer.concat(parts, size);
        parts = [];
        size = 0;
      }
      if (size > 0) yield Buffer.concat(parts, size);
    }
  } finally {
    await supply.stop();
  }
}
