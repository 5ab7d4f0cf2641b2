import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BldError, explain, isErrno } from '../base/errors.ts';
import { type Credentials, canonicalHost } from './config.ts';

/** Where logins are looked for and written. */
export interface AuthPlaces {
  /** `--authfile`: then no other file counts. */
  readonly authFile?: string | undefined;
  /** The person's id outside of any namespace; the process's own when absent. */
  readonly uid?: number | undefined;
  /** The process's variables when absent. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** One document of logins (containers-auth.json(5)); `name` is for texts. */
export interface AuthDocument {
  readonly name: string;
  /** Keys as written; the values are checked when one is used. */
  readonly auths: ReadonlyMap<string, unknown>;
  readonly credHelpers: ReadonlyMap<string, string>;
  readonly credsStore: string | undefined;
}

const SIZE_LIMIT = 4 * 1024 * 1024;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The JSON object of an auth file; E_AUTH when it is none. */
export function parseObject(text: string, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    // the parser's message would quote the file, secrets and all
  }
  if (isRecord(value)) return value;
  throw new BldError('E_AUTH', `${name} is not a JSON object of logins`, { hint: 'mend it or remove it' });
}

/** The parts of an auth file that bld reads; `bare` for the old form, whose top level is `auths`. */
export function parseDocument(text: string, name: string, bare = false): AuthDocument {
  const top = parseObject(text, name);
  const { auths, credHelpers, credsStore } = bare ? { auths: top } : top;
  const helpers = Object.entries(isRecord(credHelpers) ? credHelpers : {});
  return {
    name,
    auths: new Map(Object.entries(isRecord(auths) ? auths : {})),
    credHelpers: new Map(helpers.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    credsStore: typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined,
  };
}

/** The file's text, or undefined when there is none. */
export function readText(path: string): string | undefined {
  try {
    if (statSync(path).size > SIZE_LIMIT)
      throw new BldError('E_LIMIT', `${path} is too large for a file of logins`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw explain(error, `reading the logins of ${path}`);
  }
}

function home(env: Readonly<Record<string, string | undefined>>): string {
  return env.HOME || homedir();
}

/** The file that `login` writes: --authfile, $REGISTRY_AUTH_FILE, else the one of the person's session. */
export function primaryFile({ authFile, uid, env = process.env }: AuthPlaces): string {
  const chosen = authFile || env.REGISTRY_AUTH_FILE;
  if (chosen) return chosen;
  if (env.DOCKER_CONFIG) return join(env.DOCKER_CONFIG, 'config.json');
  const runtime = env.XDG_RUNTIME_DIR;
  if (runtime) return join(runtime, 'containers/auth.json');
  return `/run/containers/${uid ?? process.getuid?.() ?? 0}/auth.json`;
}

/**
 * The documents in the order of their search: --authfile alone, or $REGISTRY_AUTH_FILE alone; else
 * $DOCKER_AUTH_CONFIG, then $DOCKER_CONFIG/config.json alone, or the files of containers-auth.json(5).
 */
export function* authDocuments(places: AuthPlaces): Generator<AuthDocument> {
  const env = places.env ?? process.env;
  const chosen = places.authFile || env.REGISTRY_AUTH_FILE;
  if (chosen) {
    const text = readText(chosen);
    if (text === undefined) {
      throw new BldError('E_NOT_FOUND', `no file of logins at ${chosen}`, {
        hint: `it was named by ${places.authFile ? '--authfile' : 'REGISTRY_AUTH_FILE'}`,
      });
    }
    yield parseDocument(text, chosen);
    return;
  }
  if (env.DOCKER_AUTH_CONFIG) yield parseDocument(env.DOCKER_AUTH_CONFIG, 'DOCKER_AUTH_CONFIG');
  const paths = [primaryFile(places)];
  if (!env.DOCKER_CONFIG) {
    paths.push(join(env.XDG_CONFIG_HOME || join(home(env), '.config'), 'containers/auth.json'));
    paths.push(join(home(env), '.docker/config.json'), join(home(env), '.dockercfg'));
  }
  for (const path of paths) {
    const text = readText(path);
    if (text !== undefined) yield parseDocument(text, path, path.endsWith('.dockercfg'));
  }
}

/**
 * A key of `auths` as `host[:port][/path]`, its host in lower case and under its one name. A key with a scheme names
 * a whole host (`https://index.docker.io/v1/`).
 */
export function normalKey(key: string): string {
  const bare = key.replace(/^https?:\/\//i, '');
  const slash = bare.indexOf('/');
  const host = canonicalHost((slash < 0 ? bare : bare.slice(0, slash)).toLowerCase());
  const path = bare === key && slash >= 0 ? bare.slice(slash).replace(/\/+$/, '') : '';
  return host + path;
}

/** `host/a/b`, `host/a`, `host`: the keys that hold for a repository, most specific first. */
export function keysFor(host: string, repository: string): string[] {
  const parts = repository === '' ? [] : repository.split('/');
  const keys = parts.map((_, index) => [host, ...parts.slice(0, parts.length - index)].join('/'));
  return [...keys, host];
}

/** The login in an entry of `auths`, or undefined for an empty one; E_AUTH for a malformed one. */
export function parseEntry(value: unknown, where: string): Credentials | undefined {
  if (!isRecord(value)) return undefined;
  const { auth, identitytoken, username, password } = value;
  const text = typeof auth === 'string' ? Buffer.from(auth, 'base64').toString('utf8') : '';
  const colon = text.indexOf(':');
  const name = colon > 0 ? text.slice(0, colon) : typeof username === 'string' ? username : '';
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return { identityToken: identitytoken, ...(name && { username: name }) };
  }
  if (text !== '') {
    if (colon < 0) throw new BldError('E_AUTH', `${where}: "auth" is not the base64 of user:password`);
    // Docker once padded with NUL
    return { username: name, password: text.slice(colon + 1).replace(/\0+$/, '') };
  }
  if (name !== '' && typeof password === 'string') return { username: name, password };
  return undefined;
}
