import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * How far an address reaches. A registry may send its clients on to its own kind of network or to a wider one, never
 * to a nearer one: `public` → public; `private` → private, public; `loopback` → all but `forbidden` (link-local, so
 * the metadata services of clouds; multicast; reserved), which only its own host may be.
 */
export type Reach = 'public' | 'private' | 'loopback' | 'forbidden';

const RANK: Readonly<Record<Reach, number>> = { public: 0, private: 1, loopback: 2, forbidden: 3 };

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    list.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

const LOOPBACK = listOf(['127.0.0.0/8', '::1/128']);
const PRIVATE = listOf(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7']);
const FORBIDDEN = listOf([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '198.18.0.0/15',
  '224.0.0.0/3',
  '::/128',
  'fe80::/10',
  'ff00::/8',
]);

/** The IPv4 address inside of a mapped, NAT64 or 6to4 one. */
function embedded(address: string): string | undefined {
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const hex =
    /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$|^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4}):/.exec(
      groups,
    );
  if (!hex) return undefined;
  const number =
    (Number.parseInt(hex[1] ?? hex[3] ?? '', 16) << 16) | Number.parseInt(hex[2] ?? hex[4] ?? '', 16);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** The reach of an IPv4 or IPv6 address (without brackets); of anything else `forbidden`. */
export function reachOf(address: string): Reach {
  const bare = address.replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return 'forbidden';
  const inner = family === 6 ? embedded(bare) : undefined;
  if (inner !== undefined) return reachOf(inner);
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  if (LOOPBACK.check(bare, kind)) return 'loopback';
  if (FORBIDDEN.check(bare, kind)) return 'forbidden';
  return PRIVATE.check(bare, kind) ? 'private' : 'public';
}

/** The reach that a URL's host name tells by itself, or undefined for a name that must be resolved. */
export function literalReach(hostname: string): Reach | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare)) return reachOf(bare);
  return /(?:^|\.)localhost\.?$/i.test(bare) ? 'loopback' : undefined;
}

/** True when a registry of reach `from` may name a target of reach `to`. */
export function mayReach(from: Reach, to: Reach): boolean {
  return to !== 'forbidden' && RANK[to] <= RANK[from];
}

/** The wider of two reaches: a registry with a public and a private address counts as public. */
export function wider(one: Reach | undefined, other: Reach): Reach {
  return one !== undefined && RANK[one] < RANK[other] ? one : other;
}

/** A resolver that hands every address to `check` before any connection is made; what it throws refuses the name. */
export function checkedLookup(check: (address: string, hostname: string) => void): LookupFunction {
  return (hostname, options, callback) => {
    systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      try {
        for (const { address } of addresses) check(address, hostname);
      } catch (refused) {
        return callback(refused instanceof Error ? refused : new Error(String(refused)), '', 0);
      }
      const [first] = addresses;
      if (options.all) callback(null, addresses);
      else callback(null, first?.address ?? '', first?.family);
    });
  };
}
