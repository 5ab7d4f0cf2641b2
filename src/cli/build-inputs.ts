import { existsSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BldError, explain } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { SecretSource } from '../builder/build/vault.ts';
import { splitCsv } from './values.ts';

/** `NAME=VALUE`; a bare NAME takes over bld's own variable, when there is one. */
export function buildArgs(items: readonly string[], env: NodeJS.ProcessEnv): Map<string, string> {
  const args = new Map<string, string>();
  for (const item of items) {
    const at = item.indexOf('=');
    const own = at < 0 ? env[item] : undefined;
    if (at === 0) throw new BldError('E_USAGE', `invalid build argument ${JSON.stringify(item)}`);
    if (at > 0) args.set(item.slice(0, at), item.slice(at + 1));
    else if (own !== undefined) args.set(item, own);
    else log.warn(`missing ${JSON.stringify(item)} build argument. Try adding --build-arg ${item}=<VALUE>`);
  }
  return args;
}

/** The lines of `--build-arg-file`: blank ones and comments left out. */
export function argumentLines(path: string): string[] {
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  } catch (error) {
    throw explain(error, `reading ${path}`);
  }
}

/** `NAME=VALUE`; a bare NAME takes over bld's own variable, and is nothing when there is none. */
export function variables(items: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const own = items.filter((item) => item.includes('=') || env[item] !== undefined);
  return namedValues(
    own.map((item) => (item.includes('=') ? item : `${item}=${env[item]}`)),
    'variable',
  );
}

/** Flags of cpp: those of the variable that Buildah has for them come first. */
export function cppFlags(items: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const own = env['BLD_CPPFLAGS'] ?? env['BUILDAH_CPPFLAGS'] ?? '';
  return [...own.split(/\s+/).filter((word) => word !== ''), ...items];
}

/** `NAME=VALUE` items as a map; a bare NAME has an empty value. */
export function namedValues(items: readonly string[], what: string): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const item of items) {
    const at = item.indexOf('=');
    if (at === 0 || item === '') {
      throw new BldError('E_USAGE', `invalid ${what} ${JSON.stringify(item)}: expected NAME=VALUE`);
    }
    map[at < 0 ? item : item.slice(0, at)] = at < 0 ? '' : item.slice(at + 1);
  }
  return map;
}

/** `id=ID[,src=PATH|,env=NAME][,type=file|env]`; without either, the variable ID, or else the file ID. */
export function readSecret(
  text: string,
  env: NodeJS.ProcessEnv,
): readonly [id: string, source: SecretSource] {
  const fields = namedValues(splitCsv(text), 'secret');
  const { id, src = fields['source'], env: variable, type } = fields;
  const known = ['id', 'src', 'source', 'env', 'type'];
  const wrong = Object.keys(fields).find((key) => !known.includes(key));
  if (wrong !== undefined || id === undefined || id === '') {
    throw new BldError('E_USAGE', `invalid secret ${JSON.stringify(text)}`, {
      hint: 'the form is id=ID[,src=PATH] or id=ID,env=NAME',
    });
  }
  const name =
    variable ??
    (type === 'env'
      ? (src ?? id)
      : src === undefined && type !== 'file' && env[id] !== undefined
        ? id
        : undefined);
  if (name === undefined) {
    const path = resolve(src ?? id);
    if (existsSync(path)) return [id, { kind: 'file', path }];
    throw new BldError('E_NOT_FOUND', `secret ${id}: there is no file ${path}`, {
      hint: 'name the file with src=PATH, or a variable with env=NAME',
    });
  }
  const value = env[name];
  if (value === undefined) throw new BldError('E_NOT_FOUND', `secret ${id}: the variable ${name} is not set`);
  return [id, { kind: 'value', value }];
}

/** What `--ssh` names: the socket of an agent, or private keys. */
export type SshSource =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'keys'; readonly paths: readonly string[] };

/** `default`, `ID`, which is bld's own agent, `ID=SOCKET` or `ID=KEY[,KEY]`. E_NOT_FOUND for what is not there. */
export function readSsh(text: string, env: NodeJS.ProcessEnv): readonly [id: string, source: SshSource] {
  const [id = '', ...rest] = text.split('=');
  const given = rest
    .join('=')
    .split(',')
    .filter((path) => path !== '');
  const own = env['SSH_AUTH_SOCK'];
  const paths = given.length > 0 ? given : own ? [own] : [];
  if (paths.length === 0) {
    throw new BldError('E_NOT_FOUND', `--ssh ${text}: no agent is running (SSH_AUTH_SOCK is not set)`, {
      hint: 'start one: eval $(ssh-agent); ssh-add; or name a key: --ssh default=~/.ssh/id_ed25519',
    });
  }
  const stats = paths.map((path) => statSync(path, { throwIfNoEntry: false }));
  const missing = paths[stats.indexOf(undefined)];
  if (missing !== undefined) throw new BldError('E_NOT_FOUND', `--ssh ${text}: there is no ${missing}`);
  const isSocket = stats.map((stat) => stat?.isSocket() === true);
  if (!isSocket.includes(true)) return [id, { kind: 'keys', paths: paths.map((path) => resolve(path)) }];
  const [first] = paths;
  if (first !== undefined && paths.length === 1) return [id, { kind: 'socket', path: resolve(first) }];
  throw new BldError('E_USAGE', `--ssh ${text}: one socket, or keys, but not both`);
}
