import { digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { printable } from '../base/log.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { isLoopbackHost } from './config.ts';
import type { FoundLogin } from './credentials.ts';
import { RegistryError } from './errors.ts';
import type { Answer, Timing } from './http.ts';
import { basicHeader, fetchToken, type Token } from './token.ts';
import type { Transport } from './transport.ts';

/** What a request needs to be allowed, and whose login may be used for it. */
export interface Permission {
  /** `repository:name:pull,push`, one a resource (distribution's token scopes). */
  readonly scopes: readonly string[];
  /** Looked up when a challenge asks for it; null for anonymous. */
  readonly login: () => Promise<FoundLogin | null>;
  readonly timing: Timing;
  /** Told once when a secret goes over plain HTTP. */
  readonly onUnsafe: (text: string) => void;
}

/** Scopes with one entry a resource, its actions joined; the order of first mention is kept. */
export function mergeScopes(scopes: readonly string[]): string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const colon = scope.lastIndexOf(':');
    if (colon < 0) continue;
    const resource = scope.slice(0, colon);
    const known = actions.get(resource) ?? new Set();
    for (const action of scope.slice(colon + 1).split(',')) known.add(action);
    actions.set(resource, known);
  }
  return [...actions].map(([resource, known]) => `${resource}:${[...known].join(',')}`);
}

/** The challenge that bld answers: Bearer with a realm before Basic. */
export function chooseChallenge(challenges: readonly Challenge[]): Challenge | undefined {
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.get('realm'));
  return bearer ?? challenges.find(({ scheme }) => scheme === 'basic');
}

/** The logins and tokens of one host in this process: nothing of it reaches a disk. */
export class Authorizer {
  readonly #transport: Transport;
  readonly #tokens = new Map<string, Promise<Token>>();
  #challenge: Challenge | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The Authorization that the host is known to want, or undefined while nothing is known. */
  async header(permission: Permission): Promise<string | undefined> {
    if (!this.#challenge) return undefined;
    // a registry that wants passwords may still let the anonymous read
    if (this.#challenge.scheme === 'basic' && !(await permission.login())) return undefined;
    return this.#answer(this.#challenge, permission, undefined);
  }

  /** The Authorization for a request that was refused with 401, another one than `rejected`. E_AUTH when there is none. */
  async renew(refused: Answer, permission: Permission, rejected: string | undefined): Promise<string> {
    const text = refused.header('www-authenticate');
    await refused.discard();
    const challenge = chooseChallenge(parseChallenges(text ?? (await this.#ping(permission.timing))));
    if (!challenge) {
      throw new BldError(
        'E_AUTH',
        `registry ${this.#transport.host} asks for a login in no way that is known`,
      );
    }
    this.#challenge = challenge;
    return this.#answer(challenge, permission, rejected);
  }

  /** The Authorization for a host that a redirect led to: an anonymous token of that host, nothing of the registry's. */
  async foreign(refused: Answer, timing: Timing): Promise<string | undefined> {
    const challenge = chooseChallenge(parseChallenges(refused.header('www-authenticate') ?? ''));
    if (challenge?.scheme !== 'bearer') return undefined;
    const realm = await this.#transport.target(challenge.parameters.get('realm') ?? '', refused.url, timing);
    const scopes = challenge.parameters.get('scope')?.split(' ') ?? [];
    const what = `anonymous token for ${printable(refused.url.host)}`;
    const service = challenge.parameters.get('service');
    const token = await fetchToken({ realm, service, scopes, login: null, what }, this.#transport, timing);
    return `Bearer ${token.value}`;
  }

  /** Some registries challenge at `/v2/` alone. */
  async #ping(timing: Timing): Promise<string> {
    const url = new URL('/v2/', await this.#transport.origin(timing));
    const answer = await this.#transport.send({ method: 'GET', url, headers: {} }, timing, 'document');
    await answer.discard();
    return answer.header('www-authenticate') ?? '';
  }

  async #answer(challenge: Challenge, permission: Permission, rejected: string | undefined): Promise<string> {
    const login = await permission.login();
    const origin = await this.#transport.origin(permission.timing);
    if (login && origin.protocol === 'http:' && !isLoopbackHost(origin.host)) {
      permission.onUnsafe(`the login for ${this.#transport.host} goes over plain HTTP`);
    }
    if (challenge.scheme === 'basic') return this.#basic(login, rejected);
    const realm = await this.#transport.target(
      challenge.parameters.get('realm') ?? '',
      origin,
      permission.timing,
    );
    return this.#bearer(challenge, realm, { permission, login, rejected });
  }

  #basic(login: FoundLogin | null, rejected: string | undefined): string {
    const { host } = this.#transport;
    const hint = `log in: bld login ${host}`;
    if (!login) throw new BldError('E_AUTH', `registry ${host} wants a login and none was found`, { hint });
    if (!('password' in login)) {
      throw new BldError(
        'E_AUTH',
        `registry ${host} wants a password; ${login.origin} holds an identity token`,
        { hint },
      );
    }
    const header = basicHeader(login.username, login.password);
    if (header !== rejected) return header;
    throw new BldError('E_AUTH', `registry ${host} refused the login of ${printable(login.username)}`, {
      hint: `it came from ${login.origin}: bld login ${host}`,
    });
  }

  async #bearer(
    challenge: Challenge,
    realm: URL,
    {
      permission,
      login,
      rejected,
    }: { permission: Permission; login: FoundLogin | null; rejected: string | undefined },
  ): Promise<string> {
    const wished = rejected === undefined ? '' : (challenge.parameters.get('scope') ?? '');
    const scopes = mergeScopes([...permission.scopes, ...wished.split(' ')]);
    const service = challenge.parameters.get('service');
    const key = digestOf(JSON.stringify([realm.href, service, scopes, login]));
    const what = `token for ${this.#transport.host}`;
    const ask = () => fetchToken({ realm, service, scopes, login, what }, this.#transport, permission.timing);
    try {
      const cached = await this.#tokens.get(key);
      const usable = cached && cached.staleAt > performance.now() && `Bearer ${cached.value}` !== rejected;
      const token = usable ? cached : await this.#fresh(key, cached, ask);
      return `Bearer ${token.value}`;
    } catch (error) {
      throw explainLogin(error, login, this.#transport.host);
    }
  }

  /** One request for a token at a time; whoever comes meanwhile shares it. */
  async #fresh(key: string, old: Token | undefined, ask: () => Promise<Token>): Promise<Token> {
    const current = this.#tokens.get(key);
    if (current && (await current) !== old) return current;
    const asked = ask();
    this.#tokens.set(key, asked);
    asked.catch(() => {
      if (this.#tokens.get(key) === asked) this.#tokens.delete(key);
    });
    return asked;
  }
}

/** A refused login names the place that it came from. */
export function explainLogin(error: unknown, login: FoundLogin | null, host: string): unknown {
  if (!(error instanceof RegistryError) || error.code !== 'E_AUTH') return error;
  const hint = login
    ? `the login of ${printable(login.username || 'an identity token')} came from ${login.origin}: bld login ${host}, or bld logout ${host}`
    : `no login was found: bld login ${host}`;
  return new RegistryError('E_AUTH', error.message, {
    status: error.status,
    problems: error.problems,
    hint,
    cause: error,
  });
}

const authorizers = new WeakMap<Transport, Authorizer>();

/** The process's one authorizer of a transport. */
export function authorizerFor(transport: Transport): Authorizer {
  const authorizer = authorizers.get(transport) ?? new Authorizer(transport);
  authorizers.set(transport, authorizer);
  return authorizer;
}
