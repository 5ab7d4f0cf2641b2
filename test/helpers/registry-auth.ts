import { randomBytes } from 'node:crypto';
import type { RegistryRequest } from './registry.ts';
import type { Reply } from './registry-reply.ts';

export interface Auth {
  readonly scheme: 'basic' | 'bearer';
  /** Name to password. */
  readonly users?: Readonly<Record<string, string>>;
  /** Identity tokens that the token server takes. */
  readonly refreshTokens?: readonly string[];
  /** Tokens for the anonymous hold the right to pull; Basic lets them read. */
  readonly anonymousPull?: boolean;
  /** Seconds; told as `expires_in` and kept to. 300 when absent. */
  readonly tokenLife?: number;
  /** The answer of the token server knows GET alone, POST alone, or both (default). */
  readonly tokenMethods?: 'GET' | 'POST' | 'both';
  /** In place of the registry's own `/token`. */
  readonly realm?: string;
  /** Put in place of the whole header; empty for none but at `/v2/`. */
  readonly challenge?: string;
  /** Put over the token server's answer. */
  readonly tokenAnswer?: Readonly<Record<string, unknown>>;
}

interface Grant {
  readonly user: string | undefined;
  readonly rights: ReadonlyMap<string, ReadonlySet<string>>;
  readonly until: number;
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

function parseScopes(scopes: readonly string[]): Map<string, Set<string>> {
  const rights = new Map<string, Set<string>>();
  for (const scope of scopes.flatMap((text) => text.split(' '))) {
    const [kind, name, actions] = scope.split(':');
    if (kind === 'repository' && name) rights.set(name, new Set(actions?.split(',')));
  }
  return rights;
}

/** The logins of a test registry: its challenge, its token server, what was granted. */
export class AuthState {
  readonly auth: Auth;
  readonly tokens = new Map<string, Grant>();
  readonly #origin: () => string;

  constructor(auth: Auth, origin: () => string) {
    this.auth = auth;
    this.#origin = origin;
  }

  /** Forgets all tokens, as if they had expired. */
  expireAll(): void {
    this.tokens.clear();
  }

  #login(header: string | undefined): string | false | undefined {
    const encoded = /^Basic (.+)$/.exec(header ?? '')?.[1];
    if (encoded === undefined) return undefined;
    const [name = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
    return this.auth.users?.[name] === rest.join(':') && name;
  }

  /** The token server's answer, or undefined for another path. */
  token(request: RegistryRequest, url: URL, body: Buffer): Reply | undefined {
    if (url.pathname !== '/token' || this.auth.scheme !== 'bearer') return undefined;
    const { tokenMethods = 'both', refreshTokens = [], users = {}, tokenLife = 300 } = this.auth;
    if (tokenMethods !== 'both' && request.method !== tokenMethods) return json(405, {});
    const form = request.method === 'POST' ? new URLSearchParams(body.toString()) : url.searchParams;
    let user = this.#login(request.headers.authorization);
    if (form.get('grant_type') === 'refresh_token') {
      user = refreshTokens.includes(form.get('refresh_token') ?? '') && '<token>';
    } else if (form.get('grant_type') === 'password') {
      const name = form.get('username') ?? '';
      user = users[name] === form.get('password') && name;
    }
    if (user === false)
      return json(401, { errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] });
    const rights = parseScopes(form.getAll('scope'));
    if (user === undefined) {
      const anonymous = new Set(this.auth.anonymousPull ? ['pull'] : []);
      for (const [name, actions] of rights) rights.set(name, actions.intersection(anonymous));
    }
    const token = randomBytes(12).toString('hex');
    this.tokens.set(token, { user, rights, until: Date.now() + tokenLife * 1000 });
    return json(200, { token, expires_in: tokenLife, ...this.auth.tokenAnswer });
  }

  #challenge(name: string, url: URL, action: string): Record<string, string> {
    const { scheme, challenge, realm = `${this.#origin()}/token` } = this.auth;
    if (challenge === '' && url.pathname !== '/v2/') return {};
    if (challenge) return { 'www-authenticate': challenge };
    if (scheme === 'basic') return { 'www-authenticate': 'Basic realm="test, registry"' };
    const scope = name && `,scope="repository:${name}:${action}"`;
    return { 'www-authenticate': `Bearer realm="${realm}",service="test"${scope}` };
  }

  /** The refusal of a request without the right, or undefined. */
  check(request: RegistryRequest, name: string, url: URL): Reply | undefined {
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const action = request.method === 'DELETE' ? 'delete' : reads ? 'pull' : 'push';
    const refuse = (message: string) =>
      json(
        401,
        { errors: [{ code: 'UNAUTHORIZED', message }] },
        this.#challenge(name, url, action === 'push' ? 'pull,push' : action),
      );
    const { authorization } = request.headers;
    if (this.auth.scheme === 'basic') {
      if (reads && this.auth.anonymousPull && authorization === undefined) return undefined;
      return this.#login(authorization) ? undefined : refuse('authentication required');
    }
    const grant = this.tokens.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
    if (!grant) return refuse('authentication required');
    if (grant.until < Date.now()) return refuse('token expired');
    if (name === '')
      return grant.user || this.auth.anonymousPull ? undefined : refuse('authentication required');
    // whoever may push may delete and ask for sessions
    const rights = grant.rights.get(name);
    const allowed =
      rights?.has(action) ||
      (action === 'delete' && rights?.has('push') && url.pathname.includes('/uploads/'));
    return allowed ? undefined : refuse('insufficient scope');
  }
}

export function makeAuth(auth: Auth, origin: () => string): AuthState {
  return new AuthState(auth, origin);
}
