import { BldError } from '../base/errors.ts';
import { printable } from '../base/log.ts';
import { readAll } from '../base/streams.ts';
import type { Credentials } from './config.ts';
import { networkError, refusal } from './errors.ts';
import type { Answer, Request, Timing } from './http.ts';
import type { Transport } from './transport.ts';

/** A bearer token and when it should no longer be used (`performance.now()` milliseconds). */
export interface Token {
  readonly value: string;
  readonly staleAt: number;
}

export interface TokenQuestion {
  /** The token server, already checked as a target of the registry. */
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly login: Credentials | null;
  /** For texts: whose token, and where the login came from. */
  readonly what: string;
}

const DEFAULT_LIFE_S = 60;
const LONGEST_LIFE_S = 24 * 3600;
const BODY_LIMIT = 1024 * 1024;

/** Seconds that a token lives: what the server says if it makes sense, else the specification's 60. */
export function lifeOf(expiresIn: unknown): number {
  const sane = typeof expiresIn === 'number' && Number.isFinite(expiresIn) && expiresIn >= 1;
  return sane ? Math.min(expiresIn, LONGEST_LIFE_S) : DEFAULT_LIFE_S;
}

/** The token in a server's answer; E_REGISTRY for one that cannot stand in a header. Times of the server are not used. */
export function parseToken(body: string, what: string): Token {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    // told below; the body may hold a token
  }
  const { token, access_token, expires_in } = (answer ?? {}) as Record<string, unknown>;
  const value = [token, access_token].find((text) => typeof text === 'string' && text !== '');
  if (typeof value !== 'string')
    throw new BldError('E_REGISTRY', `${what}: the token server's answer holds no token`);
  if (!/^[\x21-\x7e]+$/.test(value))
    throw new BldError('E_REGISTRY', `${what}: the token server's answer is malformed`);
  const life = lifeOf(expires_in) * 1000;
  return { value, staleAt: performance.now() + life - Math.min(life / 2, 30_000) };
}

function getRequest({ realm, service, scopes, login }: TokenQuestion): Request {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers: Record<string, string> = {};
  if (login && 'password' in login) {
    url.searchParams.set('account', login.username);
    headers.authorization = basicHeader(login.username, login.password);
  }
  return { method: 'GET', url, headers };
}

function postRequest({ realm, service, scopes, login }: TokenQuestion): Request {
  const form = new URLSearchParams({ client_id: 'bld', scope: scopes.join(' ') });
  if (service !== undefined) form.set('service', service);
  if (login && 'identityToken' in login) {
    form.set('grant_type', 'refresh_token');
    form.set('refresh_token', login.identityToken);
  } else if (login) {
    form.set('grant_type', 'password');
    form.set('username', login.username);
    form.set('password', login.password);
  }
  const bytes = Buffer.from(form.toString());
  return {
    method: 'POST',
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: { length: bytes.length, open: () => bytes },
  };
}

export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/**
 * Asks the token server: GET for passwords and the anonymous, POST (OAuth2) for identity tokens; a password goes by
 * POST too where the server knows no GET. A refused password is not tried twice, for accounts get locked.
 * E_AUTH when refused, E_NETWORK when not reached.
 */
export async function fetchToken(
  question: TokenQuestion,
  transport: Transport,
  timing: Timing,
): Promise<Token> {
  const { realm, login, what } = question;
  const ask = async (request: Request): Promise<Answer> => {
    try {
      return await transport.sendToken(request, timing);
    } catch (error) {
      throw networkError(error, `${what}, from the token server`, realm.host);
    }
  };
  const first = login && 'identityToken' in login ? postRequest(question) : getRequest(question);
  let answer = await ask(first);
  if (login && first.method === 'GET' && (answer.status === 404 || answer.status === 405)) {
    await answer.discard();
    answer = await ask(postRequest(question));
  }
  if (answer.status !== 200)
    throw await refusal(answer, `${what}, from the token server ${printable(realm.host)}`, transport.host);
  return parseToken((await readAll(answer.body, BODY_LIMIT, 'token')).toString('utf8'), what);
}
