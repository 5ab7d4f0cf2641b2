import type { Descriptor } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import type { Ask, Channel } from './channel.ts';
import { isTransient, RegistryError } from './errors.ts';
import type { Answer } from './http.ts';
import { type BlobSource, blobBody } from './upload-body.ts';

/** What was learnt of a host's uploads in this process. */
export interface UploadLimits {
  /** The largest body it takes in one request, in bytes. */
  chunkSize: number | undefined;
}

export interface Upload {
  readonly channel: Channel;
  readonly limits: UploadLimits;
  /** `/v2/<name>/blobs/` */
  readonly path: string;
  readonly scopes: readonly string[];
  readonly descriptor: Descriptor;
  readonly source: BlobSource;
}

/** An upload session of the registry; it moves on with each request. */
export interface Session {
  location: URL;
  /** Bytes that the registry has. */
  at: number;
  /** OCI-Chunk-Min-Length, in bytes. */
  leastChunk: number;
}

/** Takes effect when a single request is refused as too large: proxies mostly allow 100 MB. */
const SMALLER_CHUNK = 64 * 1024 * 1024;
const OCTETS = { 'content-type': 'application/octet-stream' };

/** The absolute, checked address in an answer's Location. */
async function locationOf(answer: Answer, { channel, source }: Upload): Promise<URL> {
  const location = answer.header('location');
  if (location !== null) return channel.target(location, answer.url);
  throw new BldError('E_REGISTRY', `${source.what}: the registry gave no address to upload to`);
}

/** distribution-spec, "POST then PUT": the digest is one more parameter of the location, whose own query is kept. */
export function withDigest(location: URL, digest: string): URL {
  const base = location.href.replace(/[?&]$/, '');
  return new URL(`${base}${base.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`);
}

/** The session that a 202 opened. Closes the answer. */
export async function sessionOf(answer: Answer, upload: Upload): Promise<Session> {
  const least = Number(answer.header('oci-chunk-min-length') ?? 0);
  await answer.discard();
  return {
    location: await locationOf(answer, upload),
    at: 0,
    leastChunk: Number.isSafeInteger(least) ? least : 0,
  };
}

type Step = Pick<Ask, 'method' | 'at'> & Partial<Ask>;

/** One request of an upload, not repeated; throws its refusal unless the status is among `good`. */
async function step(
  { channel, scopes, source }: Upload,
  good: readonly number[],
  ask: Step,
): Promise<Answer> {
  const answer = await channel.ask({ scopes, what: source.what, repeat: false, ...ask });
  if (good.includes(answer.status)) return answer;
  throw await channel.refuse(answer, source.what);
}

async function begin(upload: Upload): Promise<Session> {
  return sessionOf(await step(upload, [202], { method: 'POST', at: `${upload.path}uploads/` }), upload);
}

/** The position behind the last byte of a `Range: 0-9` header, or undefined. */
function endOfRange(answer: Answer): number | undefined {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.header('range')?.trim() ?? '');
  return match ? Number(match[1]) + 1 : undefined;
}

/** PATCH after PATCH until one chunk is left; the session tells how far it came, whatever happens. */
async function sendChunks(upload: Upload, session: Session, chunkSize: number): Promise<void> {
  const { source } = upload;
  const size = Math.max(chunkSize, session.leastChunk);
  while (source.size - session.at > size) {
    const end = session.at + size;
    const answer = await step(upload, [202, 201, 204], {
      method: 'PATCH',
      at: session.location,
      headers: { ...OCTETS, 'content-range': `${session.at}-${end - 1}` },
      body: blobBody(source, session.at, end),
      cargo: 'upload',
    });
    const reached = endOfRange(answer) ?? end;
    await answer.discard();
    if (reached <= session.at || reached > end) {
      throw new BldError('E_REGISTRY', `${source.what}: the registry took ${reached} of ${end} bytes`);
    }
    session.at = reached;
    if (answer.header('location') !== null) session.location = await locationOf(answer, upload);
  }
}

/** The last request, with the rest of the bytes. */
async function finish(upload: Upload, session: Session): Promise<void> {
  const { source, descriptor } = upload;
  const { location, at } = session;
  const answer = await step(upload, [201, 204, 200], {
    method: 'PUT',
    at: withDigest(location, descriptor.digest),
    headers: { ...OCTETS, ...(at > 0 && { 'content-range': `${at}-${source.size - 1}` }) },
    body: blobBody(source, at, source.size),
    cargo: 'upload',
  });
  await answer.discard();
}

/** The session as the registry has it (GET on its location), or undefined when it is lost or cannot be asked. */
async function inquire(upload: Upload, session: Session): Promise<Session | undefined> {
  try {
    const answer = await step(upload, [204, 202], { method: 'GET', at: session.location });
    await answer.discard();
    const at = endOfRange(answer) ?? 0;
    // some servers say 0-0 for nothing
    if (at < 2 || at >= upload.source.size) return undefined;
    const location = answer.header('location') === null ? session.location : await locationOf(answer, upload);
    return { ...session, location, at };
  } catch {
    upload.channel.options.signal?.throwIfAborted();
    return undefined;
  }
}

/** distribution-spec, "Cancel": the registry need not keep what came so far. Failures do not matter. */
async function cancel(upload: Upload, session: Session): Promise<void> {
  try {
    const { channel, scopes, source } = upload;
    const detached = channel.detached(5_000);
    const ask: Ask = { method: 'DELETE', at: session.location, scopes, what: source.what, repeat: false };
    await (await detached.ask(ask)).discard();
  } catch {
    // the registry removes old sessions by itself
  }
}

/** True when the blob is there after all: the answer was lost, or (ECR) the last PATCH was taken as the whole. */
async function isThere(upload: Upload): Promise<boolean> {
  try {
    const at = `${upload.path}${upload.descriptor.digest}`;
    await (await step(upload, [200], { method: 'HEAD', at })).discard();
    return true;
  } catch {
    return false;
  }
}

interface Mishaps {
  /** Connections lost and passing refusals. */
  passing: number;
  /** The registry forgot the session. */
  lost: boolean;
}

/** Where to go on after a failure: the same session, or undefined for a new one. Throws what cannot be mended. */
async function recover(
  upload: Upload,
  session: Session | undefined,
  { failure, mishaps }: { failure: unknown; mishaps: Mishaps },
): Promise<Session | undefined> {
  const { channel, source, limits } = upload;
  if (isTransient(failure)) {
    if (!(await channel.pauseBefore({ attempt: mishaps.passing++, what: source.what, failure })))
      throw failure;
    return session && inquire(upload, session);
  }
  if (!(failure instanceof RegistryError)) throw failure;
  if (failure.status === 413 && source.size > SMALLER_CHUNK && limits.chunkSize === undefined) {
    limits.chunkSize = SMALLER_CHUNK;
    return undefined;
  }
  const status = failure.status;
  if (mishaps.lost || session === undefined || (status !== 400 && status !== 404 && status !== 416))
    throw failure;
  mishaps.lost = true;
  return status === 416 ? inquire(upload, session) : undefined;
}

/**
 * The blob is in the repository when this returns. One streaming PUT, or chunks where options or the registry ask for
 * them; a broken upload goes on where the registry stands, or begins again. A session that came of an attempted mount
 * may be given. Errors of the source pass unchanged; E_REGISTRY, E_AUTH, E_NETWORK otherwise.
 */
export async function uploadBlob(upload: Upload, opened?: Session): Promise<void> {
  const { channel, limits } = upload;
  const mishaps: Mishaps = { passing: 0, lost: false };
  let session = opened;
  for (;;) {
    try {
      session ??= await begin(upload);
      const chunkSize = channel.options.chunkSize ?? limits.chunkSize;
      if (chunkSize !== undefined) await sendChunks(upload, session, chunkSize);
      return await finish(upload, session);
    } catch (failure) {
      try {
        const unclear =
          isTransient(failure) || (failure instanceof RegistryError && failure.code === 'E_REGISTRY');
        if (session && unclear && (await isThere(upload))) return;
        session = await recover(upload, session, { failure, mishaps });
      } catch (final) {
        if (session) await cancel(upload, session);
        throw final;
      }
    }
  }
}
