import { posix } from 'node:path';
import { BldError } from '../../base/errors.ts';
import { redactText, redactUrl } from '../../registry/redact.ts';

/** A repository: what git is told, which never holds a password, and how messages call it. */
export interface Remote {
  readonly address: string;
  readonly shown: string;
  /** Of http and https: `https://host:port`. */
  readonly origin?: string;
  /** What the address itself gave to log in with. */
  readonly login?: { readonly user: string; readonly password: string };
}

/** Some commit of a repository, as an address says it. */
export interface GitAddress {
  readonly remote: Remote;
  /** A branch, a tag, a full reference or a commit; what the repository's HEAD names when absent. */
  readonly ref?: string;
  /** Below the root, normalised. */
  readonly subdir?: string;
  /** The commit that it has to be, at least its first seven digits. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  /** Fetched unless it is false. */
  readonly submodules?: boolean;
}

const SCP = /^(\w[\w.-]*@)([a-z0-9][a-z0-9.-]*):([^?#]*)((?:\?[^#]*)?)((?:#.*)?)$/is;

/**
 * Reads `https://host/path.git`, `ssh://`, `git://`, `user@host:path` and `github.com/user/repo`, with `#ref:subdir` or
 * `?branch=…&tag=…&ref=…&commit=…&subdir=…&keep-git-dir=…&submodules=…`; null for all else. E_USAGE for a query or ref
 * that means nothing, E_PATH for a subdirectory that leaves the repository.
 */
export function parseGitAddress(text: string): GitAddress | null {
  const scp = SCP.exec(text);
  if (scp && !text.includes('://')) {
    const [, user = '', host = '', path = '', query = '', fragment = ''] = scp;
    const remote = { address: `${user}${host}:${path}`, shown: `${user}${host}:${path}` };
    return withSelection(remote, query, fragment);
  }
  const isShort = /^github\.com\//i.test(text);
  const url = URL.parse(isShort ? `https://${text}` : text);
  if (!url && /^(?:ssh|git):\/\//i.test(text)) {
    throw new BldError('E_USAGE', `${JSON.stringify(redactText(text))} is no address`, {
      hint: 'write ssh://user@host/path, or user@host:path without a scheme',
    });
  }
  if (!url || !/^(?:https?|ssh|git):$/.test(url.protocol)) return null;
  const needsSuffix = url.protocol.startsWith('http') && !isShort;
  if (needsSuffix && !url.pathname.endsWith('.git')) return null;
  return withSelection(remoteOf(url), url.search, url.hash);
}

/** What a repository says of another one: a submodule's URL. E_UNSUPPORTED for places that only the machine itself reaches. */
export function submoduleRemote(text: string, parent: Remote): Remote {
  const absolute = /^\.\.?\//.test(text) ? relativeTo(parent, text) : text;
  if (SCP.test(absolute) && !absolute.includes('://')) return { address: absolute, shown: absolute };
  const url = URL.parse(absolute);
  if (url && /^(?:https?|ssh|git):$/.test(url.protocol)) return remoteOf(url);
  throw new BldError(
    'E_UNSUPPORTED',
    `a submodule of ${parent.shown} is at ${JSON.stringify(redactText(text))}, where bld does not look`,
    { hint: 'submodules come by https, http, ssh or git; leave them out with ?submodules=false' },
  );
}

/** `../other.git` as git takes it: each `../` takes a name off the parent's address. */
function relativeTo({ address, login, origin }: Remote, text: string): string {
  let base = address.replace(/\/+$/, '');
  let rest = text;
  for (let part = /^(\.\.?)\/+/.exec(rest); part; part = /^(\.\.?)\/+/.exec(rest)) {
    if (part[1] === '..') base = base.replace(/(?:\/[^/]*|(?<=:)[^/:]*)$/, '');
    rest = rest.slice(part[0].length);
  }
  const joined = base.endsWith(':') ? `${base}${rest}` : `${base}/${rest}`;
  if (!login || origin === undefined || !joined.startsWith(`${origin}/`)) return joined;
  const url = new URL(joined);
  url.username = login.user;
  url.password = login.password;
  return url.href;
}

function remoteOf(url: URL): Remote {
  if (!/^(?:[a-z0-9]|\[)/i.test(url.hostname)) {
    throw new BldError('E_USAGE', `${JSON.stringify(url.hostname)} is not the name of a host`);
  }
  const isHttp = url.protocol.startsWith('http');
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const name = !isHttp && user !== '' ? `${url.username}@` : '';
  return {
    address: `${url.protocol}//${name}${url.host}${url.pathname}`,
    shown: redactUrl(`${url.protocol}//${url.host}${url.pathname}`),
    ...(isHttp && { origin: `${url.protocol}//${url.host}` }),
    ...(isHttp && (user !== '' || password !== '') && { login: { user, password } }),
  };
}

function withSelection(remote: Remote, search: string, hash: string): GitAddress {
  const selection = new Selection(remote);
  const fragment = decoded(hash.slice(1));
  const colon = fragment.indexOf(':');
  selection.put('ref', colon < 0 ? fragment : fragment.slice(0, colon));
  selection.put('subdir', colon < 0 ? '' : fragment.slice(colon + 1));
  for (const [key, value] of new URLSearchParams(search)) selection.query(key, value);
  return selection.result();
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const FIELDS = ['ref', 'subdir', 'checksum', 'keep-git-dir', 'submodules'] as const;
type Field = (typeof FIELDS)[number];

function isField(key: string): key is Field {
  return FIELDS.some((field) => field === key);
}

/** What is picked of a repository; each thing once. */
class Selection {
  readonly #remote: Remote;
  readonly #fields = new Map<Field, string>();

  constructor(remote: Remote) {
    this.#remote = remote;
  }

  put(field: Field, value: string): void {
    if (value === '') return;
    const before = this.#fields.get(field);
    if (before !== undefined && before !== value) {
      throw this.#wrong(`has two values for ${field}: ${JSON.stringify(before)}, ${JSON.stringify(value)}`);
    }
    this.#fields.set(field, value);
  }

  query(key: string, value: string): void {
    if (value === '') throw this.#wrong(`has no value for ${JSON.stringify(key)}`);
    if (key === 'branch') this.put('ref', `refs/heads/${value.replace(/^refs\/heads\//, '')}`);
    else if (key === 'tag') this.put('ref', `refs/tags/${value.replace(/^refs\/tags\//, '')}`);
    else if (key === 'commit') this.put('checksum', value);
    else if (isField(key)) this.put(key, value);
    else throw this.#wrong(`has an unexpected query ${JSON.stringify(key)}`);
  }

  result(): GitAddress {
    const ref = this.#fields.get('ref') ?? this.#fields.get('checksum');
    const subdir = this.#subdir();
    const checksum = this.#fields.get('checksum')?.toLowerCase();
    const [keepGitDir, submodules] = [this.#switch('keep-git-dir'), this.#switch('submodules')];
    if (ref !== undefined) this.#checkRef(ref);
    if (checksum !== undefined && !isCommit(checksum)) {
      throw this.#wrong(`names ${JSON.stringify(checksum)}, which is not the digits of a commit`);
    }
    return {
      remote: this.#remote,
      ...(ref !== undefined && { ref }),
      ...(subdir !== undefined && { subdir }),
      ...(checksum !== undefined && { checksum }),
      ...(keepGitDir !== undefined && { keepGitDir }),
      ...(submodules !== undefined && { submodules }),
    };
  }

  /** What git takes as a name and nothing else: no option, pattern or expression. */
  #checkRef(ref: string): void {
    if (
      /^[^-\u0000-\u0020\u007f~^:?*[\\][^\u0000-\u0020\u007f~^:?*[\\]*$/.test(ref) &&
      !/\.\.|@\{|\/$/.test(ref)
    )
      return;
    throw this.#wrong(`names ${JSON.stringify(ref)}, which is no branch, tag or commit`);
  }

  #subdir(): string | undefined {
    const written = this.#fields.get('subdir');
    if (written === undefined) return undefined;
    const path = posix.normalize(written.replace(/^\/+/, '')).replace(/\/$/, '');
    if (path === '..' || path.startsWith('../') || path.includes('\0')) {
      throw new BldError('E_PATH', `${this.#remote.shown}: ${JSON.stringify(written)} leaves the repository`);
    }
    return path === '.' || path === '' ? undefined : path;
  }

  #switch(field: Field): boolean | undefined {
    const value = this.#fields.get(field);
    if (value === undefined) return undefined;
    if (/^(?:1|t|true)$/i.test(value)) return true;
    if (/^(?:0|f|false)$/i.test(value)) return false;
    throw this.#wrong(`has ${field}=${value}, which is neither true nor false`);
  }

  #wrong(what: string): BldError {
    return new BldError('E_USAGE', `the git address ${this.#remote.shown} ${what}`);
  }
}

/** Seven digits of a commit at least. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{7,64}$/i.test(text);
}
