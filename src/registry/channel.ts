import { printable } from '../base/log.ts';
import type { Authorizer, Permission } from './auth.ts';
import { canonicalHost, checkHost, DEFAULT_RETRY, type RegistryOptions, settingsOf } from './config.ts';
import type { FoundLogin } from './credentials.ts';
import { isTransient, networkError, RegistryError, refusal } from './errors.ts';
import type { Answer, Body, Request, Timing } from './http.ts';
import { redactText, redactUrl } from './redact.ts';
import { backoff, isPassing, pause } from './retry.ts';
import type { Cargo, Transport } from './transport.ts';

export interface Ask {
  readonly method: Request['method'];
  /** A path of the API (`/v2/…`), or an address that `Channel.target` returned. */
  readonly at: string | URL;
  readonly scopes: readonly string[];
  /** What is asked, for texts: `manifest docker.io/library/alpine:3`. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Body | undefined;
  /** `document` when absent. */
  readonly cargo?: Cargo | undefined;
  /** False leaves failures to the caller: the request is sent once. */
  readonly repeat?: boolean | undefined;
}

export interface Pause {
  readonly attempt: number;
  readonly what: string;
  /** Its `retryAfterMs` is heeded. */
  readonly failure: unknown;
}

const warned = new Set<string>();

/** Requests to one registry for one repository: logged in as needed, repeated as allowed, in the limits of the host. */
export class Channel {
  readonly host: string;
  readonly options: RegistryOptions;
  readonly timing: Timing;
  readonly #repository: string;
  #opened: Promise<{ transport: Transport; authorizer: Authorizer }> | undefined;
  #login: Promise<FoundLogin | null> | undefined;

  constructor(host: string, repository: string, options: RegistryOptions) {
    this.host = canonicalHost(checkHost(host));
    this.options = options;
    this.#repository = repository;
    const idleTimeoutMs = options.idleTimeoutMs ?? 60_000;
    this.timing = {
      idleTimeoutMs,
      // a registry may copy a whole blob before it says that it has it
      answerTimeoutMs: 5 * idleTimeoutMs,
      signal: options.signal,
      trace: options.debugHttp && ((request, outcome, ms) => this.#trace(request, outcome, ms)),
    };
  }

  /** The same, free of the caller's signal and ended after `ms`: for tidying up. */
  detached(ms: number): Channel {
    const channel = new Channel(this.host, this.#repository, {
      ...this.options,
      signal: AbortSignal.timeout(ms),
    });
    channel.#login = this.#login;
    return channel;
  }

  get attempts(): number {
    return this.options.retry?.attempts ?? DEFAULT_RETRY.attempts;
  }

  /** Loaded when first used: HTTP and TLS cost tens of milliseconds that a command without network need not pay. */
  async #open() {
    this.#opened ??= (async () => {
      const [{ transportFor }, { authorizerFor }] = await Promise.all([
        import('./transport.ts'),
        import('./auth.ts'),
      ]);
      const settings = settingsOf(this.host, this.options);
      const transport = transportFor(this.host, settings, this.options.connectTimeoutMs ?? 30_000);
      return { transport, authorizer: authorizerFor(transport) };
    })();
    return this.#opened;
  }

  #trace(request: Request, outcome: unknown, ms: number): void {
    const told = outcome instanceof Error ? redactText(outcome.message) : String((outcome as Answer).status);
    this.options.debugHttp?.(`${request.method} ${redactUrl(request.url)} ${told} ${ms.toFixed(0)} ms`);
  }

  #warn(text: string): void {
    if (!this.options.onWarning || warned.has(text)) return;
    warned.add(text);
    this.options.onWarning(text);
  }

  async #findLogin(): Promise<FoundLogin | null> {
    const { credentials, authFile, uid } = this.options;
    if (credentials) return { ...credentials, origin: '--creds' };
    const { findCredentials } = await import('./credentials.ts');
    return findCredentials(this.host, this.#repository, { authFile, uid });
  }

  #permission(scopes: readonly string[]): Permission {
    return {
      scopes,
      timing: this.timing,
      onUnsafe: (text) => this.#warn(text),
      login: () => {
        this.#login ??= this.#findLogin();
        return this.#login;
      },
    };
  }

  /** An address that the registry named, checked (see `Transport.target`). */
  async target(text: string, base: URL): Promise<URL> {
    return (await this.#open()).transport.target(text, base, this.timing);
  }

  /** Waits before a repetition, and tells of it; false when it would take longer than is allowed or was tried enough. */
  async pauseBefore({ attempt, what, failure }: Pause, spent = { ms: 0 }): Promise<boolean> {
    if (attempt >= this.attempts) return false;
    const { transport } = await this.#open();
    const { delayMs, budgetMs } = { ...DEFAULT_RETRY, ...this.options.retry };
    const wishedMs = failure instanceof RegistryError ? failure.retryAfterMs : undefined;
    const waitMs = Math.max(wishedMs ?? 0, backoff(attempt, delayMs));
    if (spent.ms + waitMs > budgetMs) return false;
    spent.ms += waitMs;
    const reason = failure instanceof Error ? failure.message : String(failure);
    this.options.onRetry?.({ host: this.host, what, reason, waitMs, attempt: attempt + 1 });
    if (wishedMs !== undefined) transport.gate.closeFor(wishedMs);
    await pause(waitMs, this.options.signal);
    return true;
  }

  /**
   * The answer, whatever its status, unless it is a passing failure (5xx, 429): that, and a connection that breaks, is
   * repeated and thrown in the end (E_REGISTRY, E_NETWORK). A 401 is met with a login or one new token (E_AUTH).
   */
  async ask(ask: Ask): Promise<Answer> {
    const spent = { ms: 0 };
    for (let attempt = 0; ; attempt++) {
      let failure: unknown;
      try {
        const answer = await this.#authorized(ask);
        if (!isPassing(answer.status)) return this.#received(answer);
        failure = await this.refuse(answer, ask.what);
      } catch (error) {
        failure = networkError(error, ask.what, this.host);
      }
      if (ask.repeat === false || !isTransient(failure)) throw failure;
      if (!(await this.pauseBefore({ attempt, what: ask.what, failure }, spent))) throw failure;
    }
  }

  /** The error of an answer whose status means a refusal; closes the answer. */
  async refuse(answer: Answer, what: string): Promise<RegistryError> {
    const error = await refusal(answer, what, this.host);
    if (error.code !== 'E_AUTH') return error;
    const { explainLogin } = await import('./auth.ts');
    const explained = explainLogin(error, (await this.#login) ?? null, this.host);
    return explained instanceof RegistryError ? explained : error;
  }

  #received(answer: Answer): Answer {
    const warning = answer.header('warning');
    const text = warning && /^299 \S+ "((?:[^"\\]|\\.)*)"/.exec(warning)?.[1];
    if (text) this.#warn(`registry ${this.host}: ${printable(text.replace(/\\(.)/g, '$1'))}`);
    return answer;
  }

  async #authorized(ask: Ask): Promise<Answer> {
    const { transport, authorizer } = await this.#open();
    await transport.gate.pass(this.options.signal);
    const origin = await transport.origin(this.timing);
    const url = typeof ask.at === 'string' ? new URL(ask.at, origin) : ask.at;
    const permission = this.#permission(ask.scopes);
    const own = url.origin === origin.origin;
    const send = (at: URL, authorization: string | undefined) => {
      const headers: Record<string, string> = {
        'user-agent': this.options.userAgent ?? 'bld',
        ...ask.headers,
      };
      if (authorization !== undefined) headers.authorization = authorization;
      return transport.send(
        { method: ask.method, url: at, headers, body: ask.body },
        this.timing,
        ask.cargo ?? 'document',
      );
    };
    const first = own ? await authorizer.header(permission) : undefined;
    const answer = await send(url, first);
    if (answer.status !== 401) return answer;
    if (answer.url.origin !== origin.origin) {
      if (ask.method !== 'GET' && ask.method !== 'HEAD') return answer;
      const anonymous = await authorizer.foreign(answer, this.timing);
      if (anonymous === undefined) return answer;
      await answer.discard();
      return send(answer.url, anonymous);
    }
    return send(url, await authorizer.renew(answer, permission, first));
  }
}
