import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/registry/client.ts';
import type { RegistryOptions } from '../../src/registry/config.ts';
import { TestRegistry, type TestRegistryOptions } from '../helpers/registry.ts';
import { TestAuthority } from '../helpers/registry-certificates.ts';

const authority = new TestAuthority();
afterAll(() => authority[Symbol.dispose]());
const good = authority.issue('IP:127.0.0.1,DNS:localhost,DNS:registry.example');

async function get(tls: NonNullable<TestRegistryOptions['tls']>, options: RegistryOptions) {
  await using registry = await TestRegistry.start({ tls, auth: { scheme: 'bearer', users: { u: 'p' } } });
  registry.addManifest('a', 'v1', { mediaType: 'm', bytes: '{}' });
  const credentials = { username: 'u', password: 'p' };
  const manifest = await connect(registry.host, 'a', {
    credentials,
    retry: { attempts: 0 },
    ...options,
  }).getManifest('v1', []);
  return manifest.bytes.toString();
}

describe('certificates', () => {
  test('an unknown authority is refused with the way out', async () => {
    await expect(get(good, {})).rejects.toMatchObject({
      code: 'E_NETWORK',
      hint: expect.stringMatching(/certs\.d.*--cert-dir.*--tls-verify=false/),
    });
  });
  test('--cert-dir makes it known, --tls-verify=false does not ask', async () => {
    expect(await get(good, { certDir: authority.directory })).toBe('{}');
    expect(await get(good, { tlsVerify: false })).toBe('{}');
  });
  test('a wrong name and an expired one are refused, a known authority notwithstanding', async () => {
    const options = { certDir: authority.directory };
    await expect(get(authority.issue('DNS:other.example'), options)).rejects.toMatchObject({
      code: 'E_NETWORK',
    });
    await expect(get(authority.issue('IP:127.0.0.1', -1), options)).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: expect.stringContaining('expired'),
    });
  });
  test('a client certificate is shown from the certificate directory', async () => {
    using own = new TestAuthority();
    const client = own.issue('DNS:client');
    const tls = { ...good, ca: own.certificate, requestCert: true, rejectUnauthorized: true };
    await expect(get(tls, { certDir: authority.directory })).rejects.toMatchObject({ code: 'E_NETWORK' });
    writeFileSync(join(own.directory, 'ca.crt'), authority.certificate);
    writeFileSync(join(own.directory, 'client.cert'), client.cert);
    await expect(get(tls, { certDir: own.directory })).rejects.toMatchObject({
      code: 'E_AUTH',
      message: expect.stringContaining('no key'),
    });
    writeFileSync(join(own.directory, 'client.key'), client.key);
    expect(await get(tls, { certDir: own.directory })).toBe('{}');
  });
  test('a connection that is reset in a blob is taken up again', async () => {
    await using registry = await TestRegistry.start({
      tls: good,
      rules: [{ path: /blobs/, resetAfter: 100_000 }],
    });
    const descriptor = registry.addBlob('a', Buffer.alloc(500_000, 'x'));
    const options = { certDir: authority.directory, retry: { attempts: 2, delayMs: 1 } };
    let size = 0;
    for await (const chunk of await connect(registry.host, 'a', options).openBlob(descriptor))
      size += chunk.length;
    expect(size).toBe(500_000);
  });
});

describe('a proxy', () => {
  test('carries HTTPS by CONNECT, with its login; a registry behind it may not point home', async () => {
    await using registry = await TestRegistry.start({ tls: good });
    registry.addManifest('a', 'v1', { mediaType: 'm', bytes: '{}' });
    const seen: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      seen.push(`${request.url} ${request.headers['proxy-authorization']}`);
      if (request.headers['proxy-authorization'] === undefined) return socket.end('HTTP/1.1 407 no\r\n\r\n');
      const port = Number(registry.host.split(':')[1]);
      const upstream = connectSocket(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      upstream.on('data', (chunk) => socket.write(chunk)).on('close', () => socket.destroy());
      socket.on('data', (chunk) => upstream.write(chunk)).on('error', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => {
      proxy.listen(0, '127.0.0.1', resolve);
    });
    const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const options = { certDir: authority.directory, retry: { attempts: 0 } };
    try {
      process.env.HTTPS_PROXY = `http://${address}`;
      await expect(connect('registry.example', 'a', options).getManifest('v1', [])).rejects.toMatchObject({
        code: 'E_NETWORK',
        message: expect.stringContaining('the proxy answered HTTP 407'),
      });
      process.env.HTTPS_PROXY = `http://me:pass@${address}`;
      const repository = connect('registry.example', 'a', { ...options, connectTimeoutMs: 5000 });
      expect((await repository.getManifest('v1', [])).bytes.toString()).toBe('{}');
      expect(seen.at(-1)).toBe(`registry.example:443 Basic ${Buffer.from('me:pass').toString('base64')}`);

      for (const location of [
        'https://127.0.0.1/x',
        'https://169.254.169.254/x',
        'https://10.0.0.1/x',
        'https://[::1]/',
        'https://localhost/x',
        'https://0x7f.1/',
        'http://registry.example/x',
        'file:///etc/passwd',
        'https://u:p@cdn.example/x',
      ]) {
        registry.rules.add({ path: /manifests/, answer: { status: 307, headers: { location } } });
        await expect(repository.getManifest('v1', []), location).rejects.toMatchObject({
          code: 'E_REGISTRY',
          message: expect.stringContaining('points to'),
        });
      }
    } finally {
      delete process.env.HTTPS_PROXY;
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});
