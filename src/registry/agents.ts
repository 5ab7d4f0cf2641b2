import { type Agent, type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';

export interface AgentSettings {
  readonly proxy?: URL | undefined;
  readonly secureContext?: SecureContext | undefined;
  /** What the connection to an HTTPS proxy itself trusts. */
  readonly proxyContext?: SecureContext | undefined;
  /** False accepts any certificate. */
  readonly verify: boolean;
  readonly lookup: LookupFunction;
  readonly connectTimeoutMs: number;
}

type Connect = (
  options: object,
  callback?: (error: Error | null, socket?: Socket) => void,
) => Socket | undefined;

/** Destroys sockets that are not connected (and through TLS) in time; an address that swallows packets ends here. */
function limitConnecting(agent: Agent, limit: number, ready: 'connect' | 'secureConnect'): void {
  const holder = agent as unknown as { createConnection: Connect };
  const connect = holder.createConnection.bind(agent);
  holder.createConnection = (options, callback) => {
    const socket = connect(options, callback);
    if (!socket) return socket;
    const timer = setTimeout(() => {
      socket.destroy(
        Object.assign(new Error(`no connection in ${Math.round(limit / 1000)} s`), { code: 'ETIMEDOUT' }),
      );
    }, limit);
    const stop = () => clearTimeout(timer);
    socket.once(ready, stop).once('close', stop);
    return socket;
  };
}

function proxyTls({ proxy, proxyContext }: AgentSettings): object {
  return proxy?.protocol === 'https:' && proxyContext ? { secureContext: proxyContext } : {};
}

/** Connections to one origin, kept alive between requests; they do not keep the process alive. */
export function makeAgent(protocol: string, settings: AgentSettings): Agent {
  const { proxy, lookup, connectTimeoutMs } = settings;
  const common: AgentOptions = { keepAlive: true, maxFreeSockets: 8, scheduling: 'lifo', timeout: 90_000 };
  const tls = { rejectUnauthorized: settings.verify, secureContext: settings.secureContext };
  if (proxy) {
    // hpagent gives up a CONNECT after the agent's own timeout
    const proxied = {
      ...common,
      timeout: connectTimeoutMs,
      proxy: proxy.href,
      proxyRequestOptions: proxyTls(settings),
    };
    return protocol === 'https:' ? new HttpsProxyAgent({ ...proxied, ...tls }) : new HttpProxyAgent(proxied);
  }
  const agent =
    protocol === 'https:'
      ? new HttpsAgent({ ...common, ...tls, lookup, autoSelectFamily: true })
      : new HttpAgent({ ...common, lookup, autoSelectFamily: true });
  limitConnecting(agent, connectTimeoutMs, protocol === 'https:' ? 'secureConnect' : 'connect');
  return agent;
}
