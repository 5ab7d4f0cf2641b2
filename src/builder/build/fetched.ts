import { createReadStream, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../../base/errors.ts';
import { LARGEST_FILE } from '../../dockerfile/parse.ts';
import { decompressed, sniff } from '../../layers/decompress.ts';
import { extractArchive } from '../../layers/extract.ts';
import { ownerFileOf } from '../../layers/owner-file.ts';
import { BLOCK, decodeBlock } from '../../layers/tar/header.ts';
import { sys } from '../../native/sys.ts';
import { download, isUrl } from '../download.ts';
import type { Engine } from '../engine.ts';
import type { GitAccess } from '../git/access.ts';
import { parseGitAddress } from '../git/address.ts';
import { pacedChunks } from '../pace.ts';

/** A context that is no directory of this machine, in a scratch directory. */
export interface FetchedContext {
  readonly directory: string;
  /** It is a Dockerfile alone: there are no files. */
  readonly text?: string;
  /** `host:port` that it came from by http or https. */
  readonly host?: string | undefined;
  /** Of the commit, the download, or the newest entry of the archive, in seconds since 1970. */
  readonly date?: number | undefined;
}

/** How a build reaches what it does not have: by whose credentials, and whether `.git` stays. */
export interface FetchOptions {
  readonly access: GitAccess;
  readonly keepGitDir?: boolean | undefined;
}

/** Fetches what an http or git address names; null for a text that is neither. */
export async function fetchContext(
  engine: Engine,
  text: string,
  { access, keepGitDir }: FetchOptions,
): Promise<FetchedContext | null> {
  const address = parseGitAddress(text);
  if (address) {
    const { fetchGit } = await import('../git/repository.ts');
    const { directory, date } = await fetchGit(
      engine,
      { ...(keepGitDir && { keepGitDir }), ...address },
      access,
    );
    const { origin } = address.remote;
    return { directory, date, host: origin === undefined ? undefined : new URL(origin).host };
  }
  if (!isUrl(text)) return null;
  using file = await download(engine, text, { secret: access.secret });
  const stream = createReadStream('', { fd: file.fd, start: 0, autoClose: false });
  const unpacked = await unpackContext(engine, stream);
  return { ...unpacked, host: new URL(text).host, date: file.modified ?? unpacked.date };
}

/** An archive, plain or compressed, is unpacked into a scratch directory; any other text is a Dockerfile. */
export async function unpackContext(
  engine: Engine,
  input: AsyncIterable<Uint8Array>,
): Promise<FetchedContext> {
  const directory = mkdtempSync(join(engine.store.scratch(), 'context-'));
  const chunks = input[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  while (size < BLOCK && !ended) {
    const next = await chunks.next();
    ended = next.done === true;
    if (!next.done) {
      head.push(next.value);
      size += next.value.length;
    }
  }
  const start = Buffer.concat(head);
  async function* whole() {
    yield start;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  }
  if (sniff(start) === 'none' && !isTar(start))
    return { directory, text: (await gathered(whole())).toString() };
  const root = sys().openRoot(directory);
  let newest: bigint | undefined;
  try {
    const { owners } = engine.store.kind;
    const ownerFile = ownerFileOf(directory);
    const target = { root, destination: Buffer.alloc(0), owners, ownerFile };
    await extractArchive(pacedChunks(decompressed(whole()), engine.signal), target, {
      onEntry({ mtime }) {
        if (newest === undefined || mtime > newest) newest = mtime;
      },
    });
  } finally {
    sys().close(root);
  }
  return { directory, date: newest === undefined ? undefined : Number(newest / 1_000_000_000n) };
}

function isTar(start: Buffer): boolean {
  if (start.length < BLOCK) return false;
  try {
    decodeBlock(start.subarray(0, BLOCK));
    return true;
  } catch {
    return false;
  }
}

/** All of a stream that is to be a Dockerfile. */
export async function gathered(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_FILE) throw new BldError('E_LIMIT', 'this is too large for a Dockerfile');
  }
  return Buffer.concat(chunks);
}
