import { Readable } from 'node:stream';
import type { Descriptor } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import type { Channel } from './channel.ts';
import { isTransient, NetworkFailure, networkError } from './errors.ts';
import type { Answer } from './http.ts';

export interface Download {
  readonly channel: Channel;
  /** `/v2/<name>/blobs/<digest>`. */
  readonly path: string;
  readonly scopes: readonly string[];
  readonly what: string;
  readonly descriptor: Descriptor;
}

/** So many bytes without a break, and earlier breaks are forgotten. */
const GOOD_RUN = 4 * 1024 * 1024;

/** The position of the answer's first byte: 0 for a whole blob, from Content-Range for a part (RFC 9110, 14.4). */
function startOf(answer: Answer, asked: number): number {
  if (answer.status !== 206) return 0;
  const range = /^bytes (\d{1,16})-\d{1,16}\/(?:\d{1,16}|\*)$/.exec(
    answer.header('content-range')?.trim() ?? '',
  );
  return range ? Number(range[1]) : asked;
}

async function request(download: Download, at: number, repeat: boolean): Promise<Answer> {
  const { channel, path, scopes, what } = download;
  const headers: Record<string, string> = at > 0 ? { range: `bytes=${at}-` } : {};
  const answer = await channel.ask({
    method: 'GET',
    at: path,
    scopes,
    what,
    headers,
    cargo: 'download',
    repeat,
  });
  if (answer.status === 200 || answer.status === 206) return answer;
  if (answer.status !== 416 || at === 0) throw await channel.refuse(answer, what);
  await answer.discard();
  return request(download, 0, repeat);
}

/** The answer's bytes from position `at` on: what comes before is thrown away. */
async function* from(answer: Answer, at: number, asked: number): AsyncGenerator<Uint8Array> {
  let skip = at - startOf(answer, asked);
  if (skip < 0) {
    await answer.discard();
    throw new NetworkFailure('the registry left out bytes', 'ERANGE');
  }
  for await (const chunk of answer.body) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      yield skip > 0 ? chunk.subarray(skip) : chunk;
      skip = 0;
    }
  }
}

function isLeftOut(cause: unknown): boolean {
  return cause instanceof NetworkFailure && cause.code === 'ERANGE';
}

async function* resuming(download: Download, first: Answer, offset: number): AsyncGenerator<Uint8Array> {
  const { channel, what, descriptor } = download;
  let answer: Answer | undefined = first;
  let at = offset;
  let asked = offset;
  for (let attempt = 0, run = 0; ; attempt++) {
    let failure: unknown;
    try {
      answer ??= await request(download, asked, false);
      for await (const chunk of from(answer, at, asked)) {
        at += chunk.length;
        run += chunk.length;
        if (at > descriptor.size) {
          throw new BldError('E_INTEGRITY', `${what}: more than the expected ${descriptor.size} bytes`);
        }
        yield chunk;
      }
      if (at === descriptor.size) return;
      failure = new BldError('E_NETWORK', `${what}: ended after ${at} of ${descriptor.size} bytes`);
    } catch (error) {
      failure = networkError(error, what, channel.host);
      if (!isTransient(failure)) throw failure;
    }
    answer = undefined;
    asked = failure instanceof BldError && isLeftOut(failure.cause) ? 0 : at;
    if (run >= GOOD_RUN) attempt = 0;
    run = 0;
    if (!(await channel.pauseBefore({ attempt, what, failure }))) throw failure;
  }
}

/**
 * The blob's raw bytes from `offset` on, not verified, at most as many as the descriptor says. A connection that
 * breaks, stalls or ends early is taken up again where it broke. Destroying the stream closes the connection.
 */
export async function openDownload(download: Download, offset: number): Promise<Readable> {
  if (offset === download.descriptor.size) return Readable.from([]);
  const first = await request(download, offset, true);
  const stream = Readable.from(resuming(download, first, offset), { objectMode: false });
  // a stream that nobody began to read has not begun its generator either
  return stream.once('close', () => void first.discard());
}
