import { closeSync, openSync, unlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, Hasher } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { randomHex } from '../base/random.ts';
import type { Fd } from '../native/sys.ts';

import { redactText, redactUrl } from '../registry/redact.ts';
import type { Engine } from './engine.ts';

/** A remote source in a scratch file that has no name any more: the descriptor is all there is. */
export interface Download extends Disposable {
  readonly fd: Fd;
  /** The last part of the URL's path; E_USAGE when it has none. */
  readonly name: () => Buffer;
  /** Its Last-Modified, in seconds since 1970. */
  readonly modified?: number | undefined;
}

export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

function nameOf(url: URL): string {
  const path = url.pathname.replace(/\/+$/, '');
  const last = decodeURIComponent(path.slice(path.lastIndexOf('/') + 1));
  if (last === '' || last === '.' || last === '..' || last.includes('/') || last.includes('\0')) {
    throw new BldError('E_USAGE', `cannot tell a file name from ${redactUrl(url)}`, {
      hint: 'give a destination that does not end with a slash',
    });
  }
  return last;
}

export interface DownloadOptions {
  readonly checksum?: Digest | undefined;
  /** The value of a secret: `HTTP_AUTH_TOKEN_host` and `HTTP_AUTH_HEADER_host` log in with a host. */
  readonly secret?: ((id: string) => string | undefined) | undefined;
}

/**
 * Fetches the URL: mode 0600, mtime from Last-Modified, else 1970, for the time of a download tells nothing. E_INTEGRITY
 * when `checksum` is another.
 */
export async function download(
  engine: Engine,
  source: string,
  { checksum, secret }: DownloadOptions = {},
): Promise<Download> {
  const url = URL.parse(source);
  if (!url) throw new BldError('E_USAGE', `${JSON.stringify(redactText(source))} is no address`);
  const own = loginOf(url);
  const id = redactUrl(url);
  const name = () => Buffer.from(nameOf(url));
  const { fetchUrl } = await import('../registry/fetch-url.ts'); // HTTP is long to load
  const answer = await fetchUrl(url, {
    signal: engine.signal,
    authorization: (at) => authorizationOf(at, secret) ?? (at.origin === url.origin ? own : undefined),
    onRetry: (reason, waitMs) => log.warn(`${reason}; trying again in ${Math.round(waitMs / 100) / 10} s`),
  });
  const path = join(engine.store.scratch(), randomHex(8));
  const fd = openSync(path, 'wx+', 0o600);
  try {
    const length = Number(answer.header('content-length'));
    engine.progress({ kind: 'start', id, label: `Downloading ${id}`, ...(length > 0 && { total: length }) });
    const hasher = new Hasher();
    for await (const chunk of answer.body) {
      hasher.update(chunk);
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
      engine.progress({ kind: 'advance', id, bytes: chunk.length });
    }
    engine.progress({ kind: 'end', id });
    const found = hasher.digest();
    if (checksum !== undefined && found !== checksum) {
      throw new BldError('E_INTEGRITY', `${id}: the digest is ${found}, not the expected ${checksum}`);
    }
    engine.onMaterial?.({ kind: 'file', address: id, digest: found });
    const date = Date.parse(answer.header('last-modified') ?? '');
    const modified = Number.isNaN(date) ? undefined : date / 1000;
    utimesSync(path, modified ?? 0, modified ?? 0);
    return { fd, name, modified, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    unlinkSync(path);
  }
}

/** Takes the user and password out of the address; what they are as a header. */
function loginOf(url: URL): string | undefined {
  const { username, password } = url;
  if (username === '' && password === '') return undefined;
  Object.assign(url, { username: '', password: '' });
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(login).toString('base64')}`;
}

/** A host's login by the secrets; with its port, or for all of its ports. */
function authorizationOf({ host, hostname }: URL, secret: DownloadOptions['secret']): string | undefined {
  if (!secret) return undefined;
  const ofHost = (name: string) => secret(`${name}_${host}`) ?? secret(`${name}_${hostname}`);
  const header = ofHost('HTTP_AUTH_HEADER')?.trim();
  const token = header === undefined ? ofHost('HTTP_AUTH_TOKEN')?.trim() : undefined;
  return token === undefined ? header : `Bearer ${token}`;
}

/** A source whose text is given. */
export interface NewFile {
  readonly name: string;
  readonly content: string;
}

/** As a download: a scratch file without a name, mode 0644. */
export function writtenFile(engine: Engine, { name, content }: NewFile): Download {
  const path = join(engine.store.scratch(), randomHex(8));
  const fd = openSync(path, 'wx+', 0o644);
  try {
    writeFileSync(fd, content);
    return { fd, name: () => Buffer.from(name), [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    unlinkSync(path);
  }
}
