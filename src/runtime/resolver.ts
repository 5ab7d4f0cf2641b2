import { readFileSync } from 'node:fs';
import { isErrno } from '../base/errors.ts';

export interface DnsOptions {
  readonly servers: readonly string[];
  readonly options: readonly string[];
  readonly search: readonly string[];
}

const LOOPBACK = /^(?:127\.|::1(?:%|$))/;
const LARGEST_TEXT = 1 << 20;

function readText(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    return text.length > LARGEST_TEXT ? '' : text;
  } catch (error) {
    if (isErrno(error)) return '';
    throw error;
  }
}

/** The servers of systemd-resolved stand in its own file when /etc/resolv.conf names only its stub. */
const RESOLV_CONF = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const;

/** resolv.conf(5) for a container. With `ownNetwork`, servers on the host's loopback are left out: nothing answers there. */
export function resolvConf(
  dns: DnsOptions,
  ownNetwork: boolean,
  files: readonly string[] = RESOLV_CONF,
): string {
  const usable = (server: string) => !(ownNetwork && LOOPBACK.test(server));
  let fallback: string[] = [];
  for (const path of files) {
    const lines = readText(path)
      .split('\n')
      .map((line) => line.trim());
    const of = (word: string) =>
      lines.filter((line) => line.split(/\s+/)[0] === word).flatMap((line) => line.split(/\s+/).slice(1));
    const servers = dns.servers.length > 0 ? dns.servers : of('nameserver').filter(usable);
    const search = dns.search.length > 0 ? dns.search : of('search');
    const options = dns.options.length > 0 ? dns.options : of('options');
    const text = [
      ...(search.length > 0 && search[0] !== '.' ? [`search ${search.join(' ')}`] : []),
      ...servers.map((server) => `nameserver ${server}`),
      ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    ];
    if (servers.length > 0) return `${text.join('\n')}\n`;
    fallback = fallback.length > 0 ? fallback : text;
  }
  return fallback.length > 0 ? `${fallback.join('\n')}\n` : '';
}
