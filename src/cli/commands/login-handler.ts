import { existsSync } from 'node:fs';
import { BldError } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import { readAll } from '../../base/streams.ts';
import { verifyLogin } from '../../registry/client.ts';
import {
  type FoundLogin,
  findCredentials,
  type StorePlaces,
  storeCredentials,
} from '../../registry/credentials.ts';
import { authPlaces } from '../auth-places.ts';
import { text } from '../output.ts';
import { ask } from '../prompt.ts';
import { registryOptions } from '../registry-options.ts';
import type { Handler, Values } from '../spec.ts';
import type { spec } from './login.ts';

type Options = Values<typeof spec.flags>;

async function passwordFrom(options: Options): Promise<string | undefined> {
  if (!options.passwordStdin) {
    if (options.password !== undefined) log.warn('--password can be seen by others: use --password-stdin');
    return options.password;
  }
  if (options.password !== undefined) {
    throw new BldError('E_USAGE', '--password and --password-stdin exclude each other');
  }
  const bytes = await readAll(process.stdin, 1 << 16, 'the password on standard input');
  return bytes.toString().replace(/\r?\n$/, '');
}

/** The login that is kept; a file that is still to be written keeps none. */
async function keptLogin(host: string, places: StorePlaces): Promise<FoundLogin | null> {
  const authFile = places.compatAuthFile ?? places.authFile;
  if (authFile !== undefined && !existsSync(authFile)) return null;
  return findCredentials(host, '', { ...places, authFile });
}

export const handle: Handler<typeof spec.flags> = async (context, options, [registry = '']) => {
  const places = authPlaces(options, context.env);
  const [host = ''] = registry.replace(/^https?:\/\//, '').split('/');
  const known = await keptLogin(host, places);
  if (options.getLogin) {
    if (!known) throw new BldError('E_AUTH', `not logged into ${registry}`);
    return text(`${known.username ?? '<token>'}\n`);
  }
  if (options.passwordStdin && options.username === undefined) {
    throw new BldError('E_USAGE', 'must provide --username with --password-stdin');
  }
  const given = await passwordFrom(options);
  const username = options.username ?? (await ask('Username', { shown: true, fallback: known?.username }));
  const password = given ?? (await ask('Password', { shown: false }));
  if (username === '' || password === '') throw new BldError('E_USAGE', 'a user and a password are needed');
  const login = { username, password };
  await verifyLogin(host, {
    ...registryOptions(options, context.env),
    credentials: login,
    signal: context.signal,
  });
  const place = await storeCredentials(registry, login, places);
  return text(`${options.verbose ? `Used: ${place}\n` : ''}Login Succeeded!\n`);
};
