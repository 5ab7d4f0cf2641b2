import type { Agent } from 'node:http';
import { BldError } from '../base/errors.ts';
import { makeAgent } from './agents.ts';
import { apiHost, type HostSettings, isLoopbackHost } from './config.ts';
import { NetworkFailure } from './errors.ts';
import { type Answer, type Request, send, type Timing } from './http.ts';
import { proxyFor } from './proxy.ts';
import { checkedLookup, literalReach, mayReach, type Reach, reachOf, wider } from './reach.ts';
import { redactUrl } from './redact.ts';
import { Gate, Lane } from './retry.ts';
import { bareContext, secureContext } from './tls.ts';

/** What a request carries: small documents, a blob coming, a blob going. Each has its own limit, so that one kind
 * that waits for another (a copy inside one registry) cannot stand in its own way. */
export type Cargo = 'document' | 'download' | 'upload';

const PARALLEL = 6;
const HOPS = 10;
const STALE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** True when nobody at the other end speaks TLS. */
function isPlain(error: unknown, hasPort: boolean): boolean {
  if (!(error instanceof NetworkFailure)) return false;
  const { code, message } = error;
  if (code === 'ECONNREFUSED') return !hasPort;
  if (code === 'ECONNRESET') return message.includes('before secure TLS');
  return code === 'EPROTO' || (code.startsWith('ERR_SSL_') && !code.includes('ALERT'));
}

/**
 * The connections to one registry host and to where it points, with what is learnt about it in this process: its
 * scheme, its reach, the pause it asked for. Knows nothing of logins.
 */
export class Transport {
  readonly host: string;
  readonly gate = new Gate();
  readonly #settings: HostSettings;
  readonly #connectTimeoutMs: number;
  readonly #agents = new Map<string, Agent>();
  /** Agents whose connections may have grown old. */
  readonly #used = new WeakSet<Agent>();
  readonly #lanes: Readonly<Record<Cargo, Lane>> = {
    document: new Lane(PARALLEL),
    download: new Lane(PARALLEL),
    upload: new Lane(PARALLEL),
  };
  #origin: Promise<URL> | undefined;
  #reach: Reach | undefined;
  /** Why a name was last refused at its resolution: node-fetch keeps the text alone. */
  #refused: BldError | undefined;

  constructor(host: string, settings: HostSettings, connectTimeoutMs: number) {
    this.host = host;
    this.#settings = settings;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** The API's origin, `https://host/`, or `http://host/` where that is allowed and the host speaks nothing else. */
  async origin(timing: Timing): Promise<URL> {
    this.#origin ??= this.#findOrigin({ ...timing, signal: undefined }).catch((error) => {
      this.#origin = undefined;
      throw error;
    });
    return this.#origin;
  }

  async #findOrigin(timing: Timing): Promise<URL> {
    const secure = new URL(`https://${apiHost(this.host)}/`);
    if (!this.#settings.insecure && !isLoopbackHost(this.host)) return secure;
    // whether TLS is spoken, no more: nothing is verified, and no secret is sent
    const agent = makeAgent('https:', {
      proxy: proxyFor(secure, process.env),
      verify: false,
      secureContext: bareContext(),
      connectTimeoutMs: this.#connectTimeoutMs,
      lookup: checkedLookup(() => {}),
    });
    try {
      const ping: Request = { method: 'HEAD', url: new URL('/v2/', secure), headers: {} };
      await (await send(ping, agent, timing)).discard();
    } catch (error) {
      if (isPlain(error, secure.port !== '')) return new URL(`http://${apiHost(this.host)}/`);
      // the request itself will tell of certificates that the server wants
      if (!(error instanceof NetworkFailure) || !error.code.includes('ALERT')) throw error;
    } finally {
      agent.destroy();
    }
    return secure;
  }

  /**
   * An address that the registry named (redirect, upload location, token server, next page), resolved against `base`.
   * E_REGISTRY when it leaves HTTPS, holds a login, or points nearer than the registry itself is.
   */
  async target(text: string, base: URL, timing: Timing): Promise<URL> {
    const origin = await this.origin(timing);
    const url = URL.parse(text, base.href);
    const refuse = (why: string, hint?: string): never => {
      const shown = url ? redactUrl(url) : 'a malformed address';
      throw new BldError('E_REGISTRY', `registry ${this.host} points to ${shown}: ${why}`, {
        ...(hint && { hint }),
      });
    };
    if (!url) return refuse('not understood');
    if (url.username || url.password) refuse('an address with a login is not followed');
    if (url.protocol !== 'https:') {
      const near =
        url.hostname === origin.hostname || (isLoopbackHost(url.host) && isLoopbackHost(origin.host));
      const fits = url.protocol === 'http:' && origin.protocol === 'http:' && near;
      if (!fits) {
        refuse(
          'not HTTPS',
          'a registry behind a proxy that ends TLS must be told its own address and scheme',
        );
      }
    }
    const reach = literalReach(url.hostname);
    if (reach !== undefined && url.hostname !== origin.hostname) this.#checkReach(reach, redactUrl(url));
    url.hash = '';
    return url;
  }

  #checkReach(to: Reach, shown: string): void {
    const from = this.#settings.privateTargets
      ? 'private'
      : (this.#reach ?? literalReach(this.host.replace(/:\d+$/, '')) ?? 'public');
    if (mayReach(from, to)) return;
    this.#refused = new BldError(
      'E_REGISTRY',
      `registry ${this.host} points to ${shown}, a ${to} address: refused`,
      {
        hint: 'a registry may not send its clients into networks nearer than its own',
      },
    );
    throw this.#refused;
  }

  #agent(url: URL, origin: URL, identify = false): Agent {
    const own = url.hostname === origin.hostname;
    const key = `${url.origin} ${identify}`;
    const known = this.#agents.get(key);
    if (known) return known;
    const proxy = proxyFor(url, process.env);
    const { certDir, insecure } = this.#settings;
    const agent = makeAgent(url.protocol, {
      proxy,
      verify: !(own && insecure),
      secureContext:
        url.protocol === 'https:' ? secureContext(url.host, certDir, own || identify) : undefined,
      proxyContext: proxy?.protocol === 'https:' ? secureContext(proxy.host, undefined, false) : undefined,
      connectTimeoutMs: this.#connectTimeoutMs,
      lookup: checkedLookup((address, hostname) => {
        if (own) this.#reach = wider(this.#reach, reachOf(address));
        else this.#checkReach(reachOf(address), `${hostname} (${address})`);
      }),
    });
    this.#agents.set(key, agent);
    return agent;
  }

  async #exchange(request: Request, timing: Timing, cargo: Cargo, identify: boolean): Promise<Answer> {
    const origin = await this.origin(timing);
    const agent = this.#agent(request.url, origin, identify);
    const attempt = async () => {
      const leave = await this.#lanes[cargo].enter();
      const start = performance.now();
      try {
        timing.signal?.throwIfAborted();
        const answer = await send(request, agent, { ...timing, onClose: leave });
        timing.trace?.(request, answer, performance.now() - start);
        this.#used.add(agent);
        return answer;
      } catch (error) {
        leave();
        timing.trace?.(request, error, performance.now() - start);
        const refused = error instanceof NetworkFailure && error.code === 'E_REGISTRY' && this.#refused;
        throw refused || error;
      }
    };
    try {
      return await attempt();
    } catch (error) {
      const kept = this.#used.has(agent) && cargo !== 'upload';
      if (!kept || !(error instanceof NetworkFailure) || !STALE.has(error.code)) throw error;
      // the server closed kept connections while nobody looked: that is no failure of its own
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
      return await attempt();
    }
  }

  /**
   * Sends the request and follows redirects, any method's; what leaves the request's origin loses its Authorization
   * for good. The answer's `url` tells where it came from.
   */
  async send(request: Request, timing: Timing, cargo: Cargo): Promise<Answer> {
    let { url, headers, method, body } = request;
    for (let hop = 0; ; hop++) {
      const answer = await this.#exchange({ method, url, headers, body }, timing, cargo, false);
      const location = isRedirect(answer.status) ? answer.header('location') : null;
      if (location === null) return answer;
      await answer.discard();
      if (hop === HOPS)
        throw new BldError('E_REGISTRY', `registry ${this.host} redirects more than ${HOPS} times`);
      const next = await this.target(location, url, timing);
      if (next.origin !== url.origin) {
        const { authorization: _dropped, ...kept } = headers;
        headers = kept;
      }
      if (answer.status === 303 && method !== 'HEAD') {
        method = 'GET';
        body = undefined;
      }
      url = next;
    }
  }

  /** Sends a request to a token server, which may ask for the client certificate; its redirects are not followed. */
  async sendToken(request: Request, timing: Timing): Promise<Answer> {
    return this.#exchange(request, timing, 'document', true);
  }
}

const transports = new Map<string, Transport>();

/** The process's one transport for a host with these settings. */
export function transportFor(host: string, settings: HostSettings, connectTimeoutMs: number): Transport {
  const key = JSON.stringify([host, settings, connectTimeoutMs]);
  let transport = transports.get(key);
  if (!transport) {
    transport = new Transport(host, settings, connectTimeoutMs);
    transports.set(key, transport);
  }
  return transport;
}
