import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { BldError, explain, isErrno } from '../base/errors.ts';
import { makeDirectories, writeFileAtomic } from '../base/fs.ts';
import {
  type AuthDocument,
  type AuthPlaces,
  authDocuments,
  keysFor,
  normalKey,
  parseDocument,
  parseEntry,
  parseObject,
  primaryFile,
  readText,
} from './auth-files.ts';
import { type Credentials, canonicalHost, checkHost, checkRepository } from './config.ts';
import { askHelper, clearHelper, HelperMissing, tellHelper } from './credential-helper.ts';

/** A login and the place it was found at, for texts. */
export type FoundLogin = Credentials & { readonly origin: string };

/** A login that is kept somewhere; the secret is not told. */
export interface KeptLogin {
  /** `host[:port][/path]`. */
  readonly key: string;
  readonly username: string | undefined;
  readonly origin: string;
}

export interface StorePlaces extends AuthPlaces {
  /** `--compat-auth-file`: a file in Docker's form, written in place of the primary one. */
  readonly compatAuthFile?: string | undefined;
}

/** The names under which helpers and Docker's files know a host. */
function serverNames(host: string): string[] {
  return host === 'docker.io' ? ['https://index.docker.io/v1/', 'docker.io'] : [host, `https://${host}`];
}

function helperOf(document: AuthDocument, host: string): string | undefined {
  for (const [key, helper] of document.credHelpers) if (normalKey(key) === host) return helper;
  return undefined;
}

async function fromHelper(helper: string, host: string, origin: string): Promise<FoundLogin | null> {
  for (const server of serverNames(host)) {
    const login = await askHelper(helper, server);
    if (login) return { ...login, origin };
  }
  return null;
}

async function fromDocument(
  document: AuthDocument,
  host: string,
  repository: string,
): Promise<FoundLogin | null> {
  const helper = helperOf(document, host);
  if (helper !== undefined) {
    const found = await fromHelper(
      helper,
      host,
      `docker-credential-${helper} (credHelpers of ${document.name})`,
    );
    if (found) return found;
  }
  for (const wanted of keysFor(host, repository)) {
    // a key written just so wins over one that means the same
    const keys = [...document.auths.keys()].filter((key) => normalKey(key) === wanted);
    for (const key of keys.sort((a, b) => Number(b === wanted) - Number(a === wanted))) {
      const origin = `${document.name} ("${key}")`;
      const login = parseEntry(document.auths.get(key), origin);
      if (login) return { ...login, origin };
    }
  }
  if (document.credsStore === undefined) return null;
  try {
    return await fromHelper(
      document.credsStore,
      host,
      `docker-credential-${document.credsStore} (credsStore of ${document.name})`,
    );
  } catch (error) {
    // a configuration of Docker Desktop seen in a container: the store stayed outside
    if (error instanceof HelperMissing) return null;
    throw error;
  }
}

/**
 * The login for a repository: each document in its order; within one, its helper for the host, then the most specific
 * key, then its general helper. Null when there is none; `repository` may be empty.
 */
export async function findCredentials(
  host: string,
  repository: string,
  places: AuthPlaces,
): Promise<FoundLogin | null> {
  const name = canonicalHost(host);
  for (const document of authDocuments(places)) {
    const found = await fromDocument(document, name, repository);
    if (found) return found;
  }
  return null;
}

/** `host[:port][/path]` as a key of `auths`; E_USAGE when malformed. */
function checkKey(text: string): { readonly host: string; readonly path: string } {
  const bare = text.replace(/^https?:\/\//i, '').replace(/\/+$/, '');
  const [first = '', ...rest] = bare.split('/');
  if (rest.length > 0 && bare !== text.replace(/\/+$/, '')) {
    // an address with a path (https://index.docker.io/v1/) means its host
    return { host: canonicalHost(checkHost(first)), path: '' };
  }
  const path = rest.join('/');
  return { host: canonicalHost(checkHost(first)), path: path && `/${checkRepository(path)}` };
}

interface Target {
  readonly path: string;
  readonly docker: boolean;
  readonly top: Record<string, unknown>;
  readonly document: AuthDocument;
}

function openTarget(places: StorePlaces): Target {
  const named = places.compatAuthFile ?? primaryFile(places);
  let path = named;
  try {
    // the file behind a link is replaced, not the link
    path = realpathSync(named);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw explain(error, `opening ${named}`);
  }
  const text = readText(path) ?? '';
  const docker = places.compatAuthFile !== undefined;
  return { path, docker, top: parseObject(text, path), document: parseDocument(text, path) };
}

function save(target: Target, auths: ReadonlyMap<string, unknown>): void {
  const document = { ...target.top, auths: Object.fromEntries(auths) };
  try {
    makeDirectories(dirname(target.path), 0o700);
    writeFileAtomic(target.path, `${JSON.stringify(document, undefined, '\t')}\n`, 0o600);
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST'))
      throw explain(error, `writing ${target.path}`);
    throw new BldError('E_PERMISSION', `writing the login to ${target.path}: ${error.message}`, {
      cause: error,
      hint: 'set XDG_RUNTIME_DIR or REGISTRY_AUTH_FILE, or use --authfile',
    });
  }
}

/**
 * Keeps a login for `host[:port][/path]`: in the helper that the file names for it, else in the file (mode 0600,
 * atomic, fields of others untouched). Returns the place, for texts.
 */
export async function storeCredentials(
  key: string,
  login: Credentials,
  places: StorePlaces,
): Promise<string> {
  const { host, path } = checkKey(key);
  const target = openTarget(places);
  if (path && target.docker) {
    throw new BldError('E_USAGE', `${key}: a file in Docker's form keeps logins of whole registries only`);
  }
  const helper = path ? undefined : (helperOf(target.document, host) ?? target.document.credsStore);
  const [server = host] = serverNames(host);
  if (helper !== undefined) {
    await tellHelper(helper, server, login);
    return `docker-credential-${helper}`;
  }
  const username = login.username ?? '';
  const secret = 'identityToken' in login ? '' : login.password;
  const entry = {
    auth: Buffer.from(`${username}:${secret}`).toString('base64'),
    ...('identityToken' in login && { identitytoken: login.identityToken }),
  };
  const auths = new Map([...target.document.auths].filter(([known]) => normalKey(known) !== host + path));
  save(target, auths.set(target.docker ? server : host + path, entry));
  return target.path;
}

/** Forgets the login of `host[:port][/path]`, or every login with `'all'`; the keys that were removed. */
export async function removeCredentials(key: string | 'all', places: StorePlaces): Promise<string[]> {
  const wanted = key === 'all' ? undefined : checkKey(key);
  const target = openTarget(places);
  const removed: string[] = [];
  const kept = new Map<string, unknown>();
  for (const [known, value] of target.document.auths) {
    if (wanted === undefined || normalKey(known) === wanted.host + wanted.path)
      removed.push(normalKey(known));
    else kept.set(known, value);
  }
  const helped = wanted ? [wanted.host] : [...target.document.credHelpers.keys()].map(normalKey);
  for (const host of wanted?.path
    ? []
    : new Set([...helped, ...removed.filter((name) => !name.includes('/'))])) {
    const helper = helperOf(target.document, host) ?? target.document.credsStore;
    if (helper === undefined) continue;
    for (const server of serverNames(host)) if (await clearHelper(helper, server)) removed.push(host);
  }
  if (kept.size !== target.document.auths.size) save(target, kept);
  return [...new Set(removed)];
}

/** The logins of all documents in their search order, without asking helpers for secrets. */
export function listLogins(places: AuthPlaces): KeptLogin[] {
  return [...authDocuments(places)].flatMap((document) => [
    ...[...document.auths].flatMap(([key, value]) => {
      const login = parseEntry(value, `${document.name} ("${key}")`);
      return login ? [{ key: normalKey(key), username: login.username, origin: document.name }] : [];
    }),
    ...[...document.credHelpers].map(([key, helper]) => ({
      key: normalKey(key),
      username: undefined,
      origin: `docker-credential-${helper}`,
    })),
  ]);
}
