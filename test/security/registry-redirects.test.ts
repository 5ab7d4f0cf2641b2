import { describe, expect, test } from 'vitest';
import { readAll } from '../../src/base/streams.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { noise, opener, repositoryOf } from '../unit/registry/fixtures.ts';

const BYTES = noise(200_000);
const USERS = { user: 'secret' };
const secrets = (registry: TestRegistry) =>
  registry.requests.flatMap(({ headers }) => headers.authorization ?? []);

describe('redirects (CVE-2020-15157 and its kind)', () => {
  test('a blob elsewhere is fetched without the login, with the range, and resumed at the registry', async () => {
    await using store = await TestRegistry.start();
    await using registry = await TestRegistry.start({ auth: { scheme: 'bearer', users: USERS } });
    const descriptor = store.addBlob('s', BYTES);
    const location = `${store.origin}/v2/s/blobs/${descriptor.digest}?sig=secret`;
    registry.rules.add({
      method: 'GET',
      path: /blobs/,
      after: 1,
      answer: { status: 307, headers: { location } },
      times: 9,
    });
    store.rules.add({ path: /blobs/, resetAfter: 50_000 });
    const stream = await repositoryOf(registry).openBlob(descriptor, 1000);
    expect((await readAll(stream, 1e9, 'x')).equals(BYTES.subarray(1000))).toBe(true);
    expect(secrets(store)).toEqual([]);
    expect(store.requests.map(({ headers }) => headers.range)).toEqual([
      'bytes=1000-',
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
    expect(registry.requests.filter(({ url }) => url.includes('blobs'))).toHaveLength(3);
  });

  test('a login does not come back after it was dropped', async () => {
    await using registry = await TestRegistry.start({ auth: { scheme: 'basic', users: USERS } });
    await using middle = await TestRegistry.start();
    registry.rules.add({
      path: /manifests\/v1/,
      after: 1,
      answer: { status: 302, headers: { location: `${middle.origin}/x` } },
      times: 9,
    });
    middle.rules.add({
      path: /x/,
      answer: { status: 302, headers: { location: `${registry.origin}/v2/secret/manifests/v2` } },
      times: 9,
    });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({ code: 'E_AUTH' });
    expect(secrets(middle)).toEqual([]);
  });

  test('a token asked for by the other host is anonymous', async () => {
    await using store = await TestRegistry.start({ auth: { scheme: 'bearer', anonymousPull: true } });
    await using registry = await TestRegistry.start({ auth: { scheme: 'basic', users: USERS } });
    store.addManifest('s', 'v1', { mediaType: 'm', bytes: '{}' });
    registry.rules.add({
      path: /manifests/,
      answer: { status: 307, headers: { location: `${store.origin}/v2/s/manifests/v1` } },
      times: 9,
    });
    expect((await repositoryOf(registry).getManifest('v1', [])).bytes.toString()).toBe('{}');
    expect(secrets(store)).toEqual([expect.stringMatching(/^Bearer /)]);
  });

  test('circles end', async () => {
    await using registry = await TestRegistry.start({
      rules: [
        {
          path: /manifests/,
          answer: { status: 301, headers: { location: '/v2/a/b/manifests/v1' } },
          times: 99,
        },
      ],
    });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toThrow('more than 10 times');
  });

  test('metadata services are out of reach even from loopback', async () => {
    for (const location of [
      'http://169.254.169.254/latest',
      'https://169.254.169.254/',
      'https://[fe80::1]/',
      'https://[::ffff:169.254.169.254]/',
      'https://0.0.0.0/',
    ]) {
      await using registry = await TestRegistry.start({
        rules: [{ path: /manifests/, answer: { status: 307, headers: { location } } }],
      });
      await expect(repositoryOf(registry).getManifest('v1', []), location).rejects.toMatchObject({
        code: 'E_REGISTRY',
      });
    }
  });
});

test('an upload location elsewhere gets the bytes, not the login (CVE-2026-50151)', async () => {
  await using store = await TestRegistry.start();
  await using registry = await TestRegistry.start({ auth: { scheme: 'basic', users: USERS } });
  store.rules.add({ method: 'PUT', answer: { status: 201 } });
  registry.rules.add({
    method: 'POST',
    after: 1,
    answer: { status: 202, headers: { location: `${store.origin}/up?x=1` } },
  });
  const { digest, size } = registry.addBlob('other', BYTES);
  await repositoryOf(registry).uploadBlob({ mediaType: 'x', digest, size }, opener(BYTES));
  expect(store.bytesUp).toBe(BYTES.length);
  expect(secrets(store)).toEqual([]);
});

describe('token servers (CVE-2026-48978)', () => {
  test.each([
    'http://registry.example/token',
    'http://169.254.169.254/t',
    'file:///etc/passwd',
    'http://u:p@127.0.0.1/t',
    'ftp://x/',
    'http://10.0.0.1/t',
  ])('realm %s is refused, and no login is sent', async (realm) => {
    await using registry = await TestRegistry.start({ auth: { scheme: 'bearer', users: USERS, realm } });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_REGISTRY',
      message: expect.stringContaining('points to'),
    });
    expect(secrets(registry)).toEqual([]);
  });
});

describe('secrets stay out of texts (A72, A131)', () => {
  test('debug lines, errors, warnings', async () => {
    await using registry = await TestRegistry.start({ auth: { scheme: 'bearer', users: { user: 'other' } } });
    const lines: string[] = [];
    const note = (line: string) => lines.push(line);
    const options = {
      debugHttp: note,
      onWarning: note,
      onRetry: (event: object) => note(JSON.stringify(event)),
    };
    const error = await repositoryOf(registry, 'a/b', options)
      .getManifest('v1', [])
      .catch((reason) => reason);
    const everything = [...lines, error.message, error.hint, String(error.stack), JSON.stringify(error)].join(
      '\n',
    );
    expect(lines.length).toBeGreaterThan(1);
    for (const secret of ['secret', Buffer.from('user:secret').toString('base64')])
      expect(everything).not.toContain(secret);
  });

  test('texts of a registry cannot steer a terminal', async () => {
    const body = JSON.stringify({
      errors: [{ code: 'X\u001b]0;t\u0007', message: '\u001b[2J\r::add-mask::x' }],
    });
    await using registry = await TestRegistry.start({
      rules: [{ path: /manifests/, answer: { status: 400, body } }],
    });
    const error = await repositoryOf(registry)
      .getManifest('v1', [])
      .catch((reason) => reason);
    expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});
