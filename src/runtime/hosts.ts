import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { BldError } from '../base/errors.ts';

export interface HostsOptions {
  /** `name:address` of `--add-host`; several names are separated by `;`, the address may be `host-gateway`. */
  readonly addHosts: readonly string[];
  readonly hostname: string;
  /** What `host-gateway` stands for; the first outward address of this machine when absent. */
  readonly gateway?: string;
}

const LOCAL = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];

function outwardAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find((found) => !found.internal && found.family === 'IPv4')?.address;
}

function parseHost(entry: string, gateway: () => string | undefined): string {
  const colon = entry.indexOf(':');
  const names = entry.slice(0, Math.max(colon, 0)).split(';').filter(Boolean);
  const text = entry.slice(colon + 1).replace(/^\[(.*)\]$/, '$1');
  if (names.length === 0 || names.some((name) => /[\s#]/.test(name))) {
    throw new BldError('E_USAGE', `malformed host ${JSON.stringify(entry)}`, {
      hint: 'write --add-host name:address',
    });
  }
  const address = text === 'host-gateway' ? gateway() : text;
  if (address === undefined) {
    throw new BldError(
      'E_ENVIRONMENT',
      `host-gateway of ${JSON.stringify(entry)}: this machine has no outward address`,
    );
  }
  if (isIP(address) === 0)
    throw new BldError('E_USAGE', `${JSON.stringify(address)} is no IP address, in host ${entry}`);
  return `${address}\t${names.join(' ')}`;
}

/** hosts(5) for a container: localhost, what was asked for, the container's own name. */
export function hostsText(options: HostsOptions): string {
  const gateway = () => options.gateway ?? outwardAddress();
  const own =
    options.hostname === '' || options.hostname === 'localhost' ? [] : [`127.0.1.1\t${options.hostname}`];
  return `${[...LOCAL, ...options.addHosts.map((entry) => parseHost(entry, gateway)), ...own].join('\n')}\n`;
}
