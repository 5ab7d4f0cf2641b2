import { BldError } from '../base/errors.ts';
import { makeAgent } from './agents.ts';
import { networkError, refusal } from './errors.ts';
import { type Answer, send } from './http.ts';
import { proxyFor } from './proxy.ts';
import { checkedLookup, literalReach, mayReach, type Reach, reachOf, wider } from './reach.ts';
import { redactUrl } from './redact.ts';
import { backoff, isPassing, pause } from './retry.ts';

const HOPS = 10;
const ATTEMPTS = 4;
const RETRY_DELAY_MS = 500;

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** The Authorization of each address on the way: those of redirects are asked for on their own. */
  readonly authorization?: ((url: URL) => string | undefined) | undefined;
  /** Told of each repetition. */
  readonly onRetry?: ((reason: string, waitMs: number) => void) | undefined;
}

/**
 * Where one address may lead: never nearer than it lies itself, so that a public server cannot make bld fetch what only
 * this machine can reach. `own` is undefined for the address that the user named, which may be anywhere.
 */
class Hop {
  readonly #from: Reach | undefined;
  own: Reach | undefined;

  constructor(from: Reach | undefined) {
    this.#from = from;
  }

  admit(reach: Reach, shown: string): void {
    if (this.#from !== undefined && !mayReach(this.#from, reach)) {
      throw new BldError(
        'E_UNSUPPORTED',
        `a redirect to ${shown} is not followed: it leads to a nearer network`,
      );
    }
    this.own = wider(this.own, reach);
  }
}

/** Redirects stay on http and https; a secure address never leads to one that is not. */
function nextHop(from: URL, location: string | null): URL {
  const to = new URL(location ?? '', from);
  if (to.protocol !== 'https:' && to.protocol !== from.protocol) {
    throw new BldError(
      'E_UNSUPPORTED',
      `${redactUrl(from)} redirects to ${redactUrl(to)}, which is not allowed`,
    );
  }
  return to;
}

async function once(url: URL, { signal, authorization }: FetchOptions): Promise<Answer> {
  let at = url;
  let from: Reach | undefined;
  for (let hop = 0; hop <= HOPS; hop++) {
    const what = `getting ${redactUrl(at)}`;
    const leg = new Hop(from);
    const literal = literalReach(at.hostname);
    if (literal !== undefined) leg.admit(literal, at.hostname);
    const agent = makeAgent(at.protocol, {
      verify: true,
      lookup: checkedLookup((address, name) => leg.admit(reachOf(address), `${name} (${address})`)),
      connectTimeoutMs: 30_000,
      proxy: proxyFor(at, process.env),
    });
    const login = authorization?.(at);
    const headers: Record<string, string> = login === undefined ? {} : { authorization: login };
    const request = { method: 'GET', url: at, headers } as const;
    const timing = { idleTimeoutMs: 60_000, answerTimeoutMs: 60_000, signal };
    const answer = await send(request, agent, timing).catch((error: unknown) => {
      throw networkError(error, what, at.host);
    });
    if (answer.status === 200) return answer;
    if (answer.status >= 300 && answer.status < 400 && answer.header('location') !== null) {
      await answer.discard();
      at = nextHop(at, answer.header('location'));
      from = leg.own ?? 'public';
      continue;
    }
    throw await refusal(answer, what, at.host);
  }
  throw new BldError('E_NETWORK', `${redactUrl(url)} redirects more than ${HOPS} times`);
}

/**
 * GET of any http or https address, as ADD needs it: no credentials but those given, redirects followed, passing faults repeated.
 * The caller reads or discards the body. E_NETWORK, E_REGISTRY (a status that is no success).
 */
export async function fetchUrl(url: URL, options: FetchOptions = {}): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(url, options);
    } catch (error) {
      const status = error instanceof BldError && 'status' in error ? Number(error.status) : 0;
      const passing = error instanceof BldError && (error.code === 'E_NETWORK' || isPassing(status));
      if (!passing || attempt >= ATTEMPTS) throw error;
      const waitMs = backoff(attempt, RETRY_DELAY_MS);
      options.onRetry?.(error.message, waitMs);
      await pause(waitMs, options.signal);
    }
  }
}
