import { BlockList, isIP } from 'node:net';
import { BldError } from '../base/errors.ts';
import { isLoopbackHost } from './config.ts';
import { redactUrl } from './redact.ts';

type Variables = Readonly<Record<string, string | undefined>>;

function variable(env: Variables, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}

function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80');
}

/** One entry of NO_PROXY: `*`, a name with its subdomains, `.suffix`, an address, a CIDR; each with an optional port. */
function excludes(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const name = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const [network = '', prefix] = entry.split('/');
  if (prefix !== undefined) {
    const family = isIP(network);
    if (
      family === 0 ||
      isIP(name) !== family ||
      !/^\d{1,3}$/.test(prefix) ||
      Number(prefix) > (family === 6 ? 128 : 32)
    ) {
      return false;
    }
    const list = new BlockList();
    list.addSubnet(network, Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
    return list.check(name, family === 6 ? 'ipv6' : 'ipv4');
  }
  const [, bracketed, host = entry, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
  if (port !== undefined && port !== portOf(url)) return false;
  const wanted = (bracketed ?? host).toLowerCase().replace(/^\*\./, '.');
  return wanted.startsWith('.') ? name.endsWith(wanted) : name === wanted || name.endsWith(`.${wanted}`);
}

/**
 * The proxy that the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY (either case) name for the address, or
 * undefined. Loopback is never proxied. E_UNSUPPORTED for a proxy that does not speak HTTP.
 */
export function proxyFor(url: URL, env: Variables): URL | undefined {
  const value =
    variable(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? variable(env, 'ALL_PROXY');
  if (value === undefined || isLoopbackHost(url.host)) return undefined;
  const excluded = (variable(env, 'NO_PROXY') ?? '').split(/[\s,]+/).filter(Boolean);
  if (excluded.some((entry) => excludes(entry, url))) return undefined;
  const proxy = URL.parse(value.includes('://') ? value : `http://${value}`);
  if (!proxy || !/^https?:$/.test(proxy.protocol)) {
    throw new BldError('E_UNSUPPORTED', `the proxy ${redactUrl(value)} is not an HTTP proxy`, {
      hint: 'set HTTPS_PROXY to http://host:port',
    });
  }
  return proxy;
}
