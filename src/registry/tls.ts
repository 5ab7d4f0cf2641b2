import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, getCACertificates, rootCertificates, type SecureContext } from 'node:tls';
import { BldError, explain, isErrno } from '../base/errors.ts';

/** Where distributions keep the machine's authorities, most usual first; `SSL_CERT_FILE` comes before them. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** certs.d material of one host. PEM bytes. */
export interface HostCertificates {
  readonly authorities: readonly Buffer[];
  readonly clients: readonly { readonly cert: Buffer; readonly key: Buffer }[];
}

const NONE: HostCertificates = { authorities: [], clients: [] };

/** The `*.crt`, `*.cert` and `*.key` files of a directory (containers-certs.d(5)); E_AUTH for half a pair. */
export function readCertificates(directory: string): HostCertificates {
  try {
    const names = readdirSync(directory).sort();
    const read = (name: string) => readFileSync(join(directory, name));
    const clients = names.flatMap((name) => {
      if (name.endsWith('.key') && !names.includes(`${name.slice(0, -4)}.cert`)) {
        throw new BldError(
          'E_AUTH',
          `${join(directory, name)} has no certificate ${name.slice(0, -4)}.cert beside it`,
        );
      }
      if (!name.endsWith('.cert')) return [];
      const key = `${name.slice(0, -5)}.key`;
      if (!names.includes(key)) {
        throw new BldError('E_AUTH', `${join(directory, name)} has no key ${key} beside it`, {
          hint: 'authorities end in .crt, client certificates in .cert',
        });
      }
      return [{ cert: read(name), key: read(key) }];
    });
    return { authorities: names.filter((name) => name.endsWith('.crt')).map(read), clients };
  } catch (error) {
    throw explain(error, `reading the certificates in ${directory}`);
  }
}

/** The first existing certs.d directory of the host: the person's, then containers', then Docker's. */
function findDirectory(host: string): string | undefined {
  const bases = [
    join(homedir(), '.config/containers/certs.d'),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ];
  return bases
    .map((base) => join(base, host))
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
}

function systemAuthorities(): readonly (string | Buffer)[] {
  const extra = getCACertificates('extra');
  for (const path of [process.env.SSL_CERT_FILE, ...BUNDLES]) {
    if (!path) continue;
    try {
      return [readFileSync(path), ...extra];
    } catch (error) {
      if (!isErrno(error)) throw error;
    }
  }
  return [...rootCertificates, ...extra];
}

/** Trusts nobody, for a connection that verifies nothing: to read the machine's authorities takes 20 ms. */
export function bareContext(): SecureContext {
  return createSecureContext({ ca: [] });
}

let system: readonly (string | Buffer)[] | undefined;
let plain: SecureContext | undefined;

/**
 * What a TLS connection to the host trusts and shows: the machine's authorities, and those of `certDir` or certs.d;
 * client certificates only where `identify` says so.
 */
export function secureContext(host: string, certDir: string | undefined, identify: boolean): SecureContext {
  const directory = certDir ?? findDirectory(host);
  const { authorities, clients } = directory === undefined ? NONE : readCertificates(directory);
  system ??= systemAuthorities();
  if (authorities.length === 0 && (clients.length === 0 || !identify)) {
    plain ??= createSecureContext({ ca: [...system] });
    return plain;
  }
  const shown = identify ? clients : [];
  return createSecureContext({
    ca: [...system, ...authorities],
    cert: shown.map((client) => client.cert),
    key: shown.map((client) => client.key),
  });
}
