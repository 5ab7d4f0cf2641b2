import { write } from 'node:fs';
import { promisify } from 'node:util';
import { Hasher } from '../base/digest.ts';
import type { Fd } from '../native/sys.ts';
import { compressor } from './compress.ts';
import type { Compression, LayerBytes } from './types.ts';

/** Where a layer's bytes go; `end` resolves when all of them are there. Not closed here. */
export interface Sink {
  write(chunk: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
}

export interface WriteOptions {
  readonly compression: Compression;
  /** gzip 1..9, zstd 1..22; the format's usual level when absent. */
  readonly level?: number;
  /** Nobody keeps the bytes when absent: the digests alone are wanted. */
  readonly sink?: Sink;
}

/** Passes a tar on to the sink, compressed, and finds out its digests on the way: one pass, bounded memory. */
export async function writeLayer(
  tar: AsyncIterable<Uint8Array>,
  { compression, level, sink }: WriteOptions,
): Promise<LayerBytes> {
  const plain = new Hasher();
  async function* hashed() {
    for await (const chunk of tar) {
      plain.update(chunk);
      yield chunk;
    }
  }
  if (compression === 'none') {
    for await (const chunk of hashed()) await sink?.write(chunk);
    await sink?.end();
    const diffId = plain.digest();
    return { diffId, digest: diffId, size: plain.size, tarSize: plain.size };
  }
  const wire = new Hasher();
  const compress = compressor(compression, { ...(level !== undefined && { level }) });
  for await (const chunk of compress(hashed())) {
    wire.update(chunk);
    await sink?.write(chunk);
  }
  await sink?.end();
  return { diffId: plain.digest(), digest: wire.digest(), size: wire.size, tarSize: plain.size };
}

const writeFd = promisify(write);

/** A sink into an open file from its start on; one write is under way while the next chunk is made. */
export function fileSink(fd: Fd): Sink {
  let position = 0;
  let pending: Promise<void> = Promise.resolve();
  const put = async (chunk: Uint8Array, at: number) => {
    for (let done = 0; done < chunk.length; ) {
      done += (await writeFd(fd, chunk, done, chunk.length - done, at + done)).bytesWritten;
    }
  };
  return {
    async write(chunk) {
      await pending;
      pending = put(chunk, position);
      // awaited by the next write or by the end; until then a failure is no unhandled one
      pending.catch(() => {});
      position += chunk.length;
    },
    end: () => pending,
  };
}
