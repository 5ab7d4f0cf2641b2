import { type Extract, extract } from 'tar-stream';
import { BldError } from '../../base/errors.ts';
import { DEFAULT_LIMITS, type TarEntry, type TarHeader, type TarLimits } from './entry.ts';
import { malformed } from './header.ts';
import { nextMember, padding, plainBlock } from './members.ts';
import { Supply } from './supply.ts';

/** Data and header blocks that wait in tar-stream; small, for each block may stand for a `limits.header` of records. */
const READ_AHEAD = 1 << 16;

/** Resolves once the stream takes more, or is gone. */
function drained(stream: Extract): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const go = () => {
      stream.off('drain', go).off('close', go);
      resolve();
    };
    stream.on('drain', go).on('close', go);
  });
}

/** Feeds tar-stream an archive of plain files; the members' own headers go to `headers`, in the same order. */
async function feed(supply: Supply, framer: Extract, headers: TarHeader[], limits: TarLimits): Promise<void> {
  const write = (bytes: Buffer) => (framer.write(bytes) ? undefined : drained(framer));
  let count = 0;
  for (;;) {
    const member = await nextMember(supply, limits);
    if (!member) break;
    if (++count > limits.entries) {
      throw new BldError('E_LIMIT', `the archive has more than ${limits.entries} entries`);
    }
    headers.push(member.header);
    await write(plainBlock(member.stored));
    for (let left = member.stored + padding(member.stored); left > 0; ) {
      const part = supply.ready(left) ?? (await supply.some(left));
      left -= part.length;
      const wait = write(part);
      if (wait) await wait;
      if (framer.destroying) return;
    }
  }
  await supply.drain();
  framer.end(undefined);
}

/**
 * The entries of a tar in their order: ustar, PAX, GNU and old formats. Reads the source to its very end, so that a
 * digest over it is complete, but uses nothing after the archive's end. E_ARCHIVE, E_LIMIT. Leaving the loop ends the source.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits = DEFAULT_LIMITS,
): AsyncGenerator<TarEntry> {
  const supply = new Supply(source);
  const framer = extract({ highWaterMark: READ_AHEAD });
  const headers: TarHeader[] = [];
  const feeding = feed(supply, framer, headers, limits).catch((error: unknown) => {
    framer.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const stream of framer) {
      const header = headers.shift();
      if (!header) throw malformed('it has more data than entries');
      const bytes: AsyncIterator<Buffer> = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      // a consumer that leaves the body early must not end the archive: only `next` is handed on
      const body: AsyncIterable<Buffer> = { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) };
      yield { ...header, body };
      while (!(await bytes.next()).done);
    }
  } finally {
    framer.destroy();
    await feeding;
    await supply.stop();
  }
}
