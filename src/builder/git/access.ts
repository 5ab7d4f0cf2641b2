import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Remote } from './address.ts';

/** By what a repository may be reached. */
export interface GitAccess {
  /** The value of a secret of the build; undefined when it was not given. */
  readonly secret: (id: string) => string | undefined;
  /** The socket of an agent that holds keys for ssh. */
  readonly agent?: string | undefined;
  /**
   * The person named the repository: what git and ssh know of him (his configuration, helpers, keys) serves, too. What a
   * Dockerfile names is reached with the build's secrets and agents alone.
   */
  readonly isOwn: boolean;
  readonly environment: NodeJS.ProcessEnv;
  /** `host:port` of those that a secret for no host in particular is for; all when absent. */
  readonly plainHosts?: ReadonlySet<string> | undefined;
}

/** Where git may fetch from; never by programs or paths of this machine that a repository names. */
const PROTOCOLS = 'http:https:git:ssh';
/** Variables that choose how git reaches others; all other `GIT_*` would change what it works on. */
const OWN_VARIABLES = /^GIT_(?:SSH|SSL|ASKPASS|CONFIG|PROXY|HTTP|CURL|TRACE)/;

/** What holds for every call: nothing of a repository runs, nobody is asked, half-dead connections end. */
const SETTINGS: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.logAllRefUpdates', 'false'],
  ['core.symlinks', 'true'],
  ['core.protectHFS', 'true'],
  ['core.protectNTFS', 'true'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['fetch.recurseSubmodules', 'false'],
  ['submodule.recurse', 'false'],
  ['http.lowSpeedLimit', '100'],
  ['http.lowSpeedTime', '60'],
];

/** The environment of git where it only works on files: no configuration but bld's. */
export function localEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const env = withoutGit(environment, () => false);
  return withSettings(
    { ...env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', HOME: '/nonexistent' },
    SETTINGS,
  );
}

/** The environment of git where it speaks to the remote. Credentials are in it, for arguments are for all to see. */
export function remoteEnvironment(remote: Remote, access: GitAccess): Record<string, string> {
  const { environment, isOwn } = access;
  const own = withoutGit(environment, (name) => (isOwn ? OWN_VARIABLES : /^GIT_SSL/).test(name));
  const settings = [...SETTINGS, ...headers(remote, access)];
  const closed = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', HOME: '/nonexistent' };
  const { SSH_AUTH_SOCK: _, ...rest } = own;
  const agent = access.agent ?? (isOwn ? environment['SSH_AUTH_SOCK'] : undefined);
  return withSettings(
    {
      GIT_ASKPASS: '',
      GIT_SSH_COMMAND: sshCommand(access),
      ...rest,
      ...(!isOwn && closed),
      ...(agent && { SSH_AUTH_SOCK: agent }),
    },
    settings,
  );
}

function withoutGit(environment: NodeJS.ProcessEnv, keep: (name: string) => boolean): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && (!/^GIT_|^SSH_ASKPASS/.test(name) || keep(name))) kept[name] = value;
  }
  return {
    ...kept,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: PROTOCOLS,
    GIT_LFS_SKIP_SMUDGE: '1',
  };
}

/** Settings by variables, after those that are there already. */
function withSettings(
  env: Record<string, string>,
  settings: readonly (readonly [string, string])[],
): Record<string, string> {
  const first = Number(env['GIT_CONFIG_COUNT'] ?? 0) || 0;
  const all = { ...env, GIT_CONFIG_COUNT: String(first + settings.length) };
  for (const [index, [key, value]] of settings.entries()) {
    Object.assign(all, {
      [`GIT_CONFIG_KEY_${first + index}`]: key,
      [`GIT_CONFIG_VALUE_${first + index}`]: value,
    });
  }
  return all;
}

/** A login for the remote: a secret of its host's, what the address has, a secret that names no host. */
function headers({ origin, login }: Remote, { secret, plainHosts }: GitAccess): [string, string][] {
  if (origin === undefined) return [];
  const { host, hostname } = new URL(origin);
  const ofHost = (name: string) => secret(`${name}.${host}`) ?? secret(`${name}.${hostname}`);
  const plain = (name: string) => (plainHosts?.has(host) === false ? undefined : secret(name));
  const header =
    ofHost('GIT_AUTH_HEADER') ??
    withToken(ofHost('GIT_AUTH_TOKEN')) ??
    (login && basic(login.user, login.password)) ??
    plain('GIT_AUTH_HEADER') ??
    withToken(plain('GIT_AUTH_TOKEN'));
  return header === undefined ? [] : [[`http.${origin}/.extraHeader`, `Authorization: ${oneLine(header)}`]];
}

function withToken(token: string | undefined): string | undefined {
  return token === undefined ? undefined : basic('x-access-token', token);
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${oneLine(password)}`).toString('base64')}`;
}

/** Files that hold a token end with a line end. */
function oneLine(text: string): string {
  return text.trim().replace(/[\r\n]+/g, ' ');
}

/** For a submodule on another host than its parent: a secret that names no host is meant for the parent's. */
export function elsewhere(access: GitAccess): GitAccess {
  return { ...access, plainHosts: new Set() };
}

/** ssh asks nobody. It looks for its files where the passwd has its user, who inside of a user namespace is root. */
function sshCommand({ isOwn, agent, environment }: GitAccess): string {
  const words = ['ssh', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=30', '-o', 'ServerAliveInterval=15'];
  const home = environment['HOME'];
  const option = (name: string, path: string) => words.push('-o', quoted(`${name}="${path}"`));
  if (home) {
    const known = join(home, '.ssh/known_hosts');
    if (existsSync(known)) words.push('-o', quoted(`UserKnownHostsFile="${known}"`));
    const config = join(home, '.ssh/config');
    if (isOwn && existsSync(config)) words.push('-F', quoted(config));
  }
  if (!isOwn) {
    words.push('-F', '/dev/null', '-o', 'IdentityFile=none');
    if (agent === undefined) words.push('-o', 'IdentityAgent=none');
  } else if (home) {
    for (const name of ['id_ed25519', 'id_ecdsa', 'id_rsa']) {
      const path = join(home, '.ssh', name);
      if (existsSync(path)) option('IdentityFile', path);
    }
  }
  return words.join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
