import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Pair {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** A certificate authority made for one test by the openssl program; dispose it to remove its files. */
export class TestAuthority implements Disposable {
  /** Holds `ca.crt`: fit for `--cert-dir`. */
  readonly directory = mkdtempSync(join(tmpdir(), 'bld-ca-'));
  readonly #files = mkdtempSync(join(tmpdir(), 'bld-ca-key-'));

  constructor() {
    this.#openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=test authority',
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
    );
    writeFileSync(join(this.directory, 'ca.crt'), this.certificate);
  }

  get certificate(): Buffer {
    return readFileSync(join(this.#files, 'ca.crt'));
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#files, stdio: ['ignore', 'ignore', 'ignore'] });
  }

  /** A signed certificate for the names (`DNS:a`, `IP:127.0.0.1`); `days` negative for an expired one. */
  issue(names: string, days = 2): Pair {
    writeFileSync(join(this.#files, 'ext'), `subjectAltName=${names}\n`);
    this.#openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=test',
      '-keyout',
      'leaf.key',
      '-out',
      'leaf.csr',
    );
    this.#openssl(
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      String(days),
      '-extfile',
      'ext',
      '-out',
      'leaf.crt',
    );
    return {
      key: readFileSync(join(this.#files, 'leaf.key')),
      cert: readFileSync(join(this.#files, 'leaf.crt')),
    };
  }

  [Symbol.dispose](): void {
    for (const path of [this.directory, this.#files]) rmSync(path, { recursive: true });
  }
}
