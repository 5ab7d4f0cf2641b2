import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { parseDigest } from '../../../src/base/digest.ts';
import { connect, verifyLogin } from '../../../src/registry/client.ts';
import { sha256, TestRegistry } from '../../helpers/registry.ts';
import { MANIFEST, repositoryOf } from './fixtures.ts';

const BODY = Buffer.from('{"schemaVersion":2}');

describe('manifests', () => {
  test('go and come as the same bytes, by tag and by digest', async () => {
    await using registry = await TestRegistry.start();
    const repository = repositoryOf(registry);
    const digest = await repository.putManifest('v1', MANIFEST, BODY);
    expect(digest).toBe(sha256(BODY));
    for (const reference of ['v1', digest]) {
      expect(await repository.getManifest(reference, [MANIFEST, 'x/y'])).toEqual({
        mediaType: MANIFEST,
        digest,
        bytes: BODY,
      });
    }
    expect(await repository.headManifest('v1', [MANIFEST])).toEqual({
      mediaType: MANIFEST,
      digest,
      size: BODY.length,
    });
    expect(await repository.headManifest('v2', [MANIFEST])).toBeNull();
    const [put, get] = registry.requests.filter(({ method, url }) => method !== 'HEAD' && url !== '/v2/');
    expect(put?.headers['content-type']).toBe(MANIFEST);
    expect(get?.headers).toMatchObject({
      accept: `${MANIFEST}, x/y`,
      'accept-encoding': 'identity',
      'user-agent': 'bld',
    });
    await repository.deleteManifest(digest);
    await expect(repository.getManifest(digest, [])).rejects.toMatchObject({
      code: 'E_REGISTRY',
      status: 404,
    });
  });

  test('other bytes for a digest are refused, whatever the header says', async () => {
    await using registry = await TestRegistry.start();
    const { digest } = registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
    registry.rules.add({ path: /manifests/, flip: 3, times: 9 });
    const repository = repositoryOf(registry);
    await expect(repository.getManifest(digest, [])).rejects.toMatchObject({ code: 'E_INTEGRITY' });
    await expect(repository.getManifest('v1', [])).rejects.toMatchObject({ code: 'E_INTEGRITY' });
  });

  test('media types lose their parameters; a missing one is empty', async () => {
    await using registry = await TestRegistry.start();
    registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
    registry.rules.add({ path: /manifests/, headers: { 'content-type': 'Application/X; charset=utf-8' } });
    registry.rules.add({ path: /manifests/, headers: { 'content-type': '' } });
    const repository = repositoryOf(registry);
    expect((await repository.getManifest('v1', [])).mediaType).toBe('application/x');
    expect((await repository.getManifest('v1', [])).mediaType).toBe('');
  });

  test('more than 4 MiB is refused', async () => {
    await using registry = await TestRegistry.start();
    registry.addManifest('a/b', 'big', { mediaType: MANIFEST, bytes: Buffer.alloc(5 << 20) });
    await expect(repositoryOf(registry).getManifest('big', [])).rejects.toMatchObject({ code: 'E_LIMIT' });
  });

  test('a registry that keeps other bytes than were put is found out', async () => {
    await using registry = await TestRegistry.start({
      rules: [{ method: 'PUT', headers: { 'docker-content-digest': sha256('other') } }],
    });
    await expect(repositoryOf(registry).putManifest('v1', MANIFEST, BODY)).rejects.toMatchObject({
      code: 'E_INTEGRITY',
    });
  });

  test('a refused deletion says so', async () => {
    await using registry = await TestRegistry.start({
      rules: [
        {
          method: 'DELETE',
          answer: { status: 405, body: '{"errors":[{"code":"UNSUPPORTED","message":"off"}]}' },
        },
      ],
    });
    await expect(repositoryOf(registry).deleteManifest('v1')).rejects.toMatchObject({
      code: 'E_UNSUPPORTED',
      message: expect.stringContaining('does not allow this deletion'),
    });
  });
});

describe('names are refused before any request', () => {
  const repository = connect('127.0.0.1:9', 'a');
  test.each(['../x', 'a/b', '', '-x'])('tag %j', async (tag) => {
    await expect(repository.getManifest(tag, [])).rejects.toMatchObject({ code: 'E_USAGE' });
  });
  test.each([
    'sha256:../../x',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha512:${'a'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
  ])('digest %j', async (digest) => {
    await expect(repository.getManifest(digest, [])).rejects.toMatchObject({ code: 'E_INTEGRITY' });
    await expect(repository.hasBlob(digest as never)).rejects.toMatchObject({ code: 'E_INTEGRITY' });
  });
  test('host and repository', () => {
    expect(() => connect('a b', 'x')).toThrow('malformed');
    expect(() => connect('a', '../x')).toThrow('malformed');
  });
});

describe('absence', () => {
  test.each([404, 403])('HEAD %d means absent', async (status) => {
    await using registry = await TestRegistry.start({
      rules: [{ method: 'HEAD', path: /a\/b/, answer: { status }, times: 9 }],
    });
    const repository = repositoryOf(registry);
    expect(await repository.hasBlob(parseDigest(sha256('x')))).toBeNull();
    expect(await repository.headManifest('x', [])).toBeNull();
  });
  test('404 with HTML is told without the HTML', async () => {
    await using registry = await TestRegistry.start({
      rules: [{ method: 'GET', path: /a\/b/, answer: { status: 404, body: '<h1>no</h1>' } }],
    });
    await expect(repositoryOf(registry).getManifest('x', [])).rejects.toMatchObject({
      message: `manifest ${registry.host}/a/b:x: HTTP 404 (not found)`,
    });
  });
  test('HEAD without a digest or a size gives hints of nothing', async () => {
    await using registry = await TestRegistry.start({
      rules: [
        {
          method: 'HEAD',
          path: /manifests/,
          answer: { status: 200, headers: { 'docker-content-digest': 'junk' } },
          headers: { 'content-length': '' },
        },
      ],
    });
    expect(await repositoryOf(registry).headManifest('x', [])).toEqual({
      mediaType: '',
      digest: undefined,
      size: undefined,
    });
  });
});

describe('passing failures', () => {
  test.each([429, 500, 502, 503, 504])('%d is tried again, and told at the end', async (status) => {
    await using registry = await TestRegistry.start();
    registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
    registry.rules.add({ path: /manifests/, answer: { status }, times: 3 });
    const events: unknown[] = [];
    const repository = repositoryOf(registry, 'a/b', { onRetry: (event) => events.push(event) });
    await repository.getManifest('v1', []);
    expect(events).toHaveLength(3);
    expect(events[0]).toMatchObject({
      host: registry.host,
      attempt: 1,
      reason: expect.stringContaining(`HTTP ${status}`),
    });
    registry.rules.add({ path: /manifests/, answer: { status }, times: 4 });
    await expect(repository.getManifest('v1', [])).rejects.toMatchObject({ code: 'E_REGISTRY', status });
  });

  test('a connection reset before the answer is tried again', async () => {
    await using registry = await TestRegistry.start({
      rules: [{ path: /manifests/, resetAfter: 0, times: 2 }],
    });
    registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
    expect((await repositoryOf(registry).getManifest('v1', [])).bytes).toEqual(BODY);
  });

  test('Retry-After holds the other requests back too', async () => {
    await using registry = await TestRegistry.start();
    registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
    const repository = repositoryOf(registry);
    await repository.headManifest('v1', []);
    registry.rules.add({ path: /manifests/, answer: { status: 429, headers: { 'retry-after': '1' } } });
    const start = performance.now();
    const first = repository.getManifest('v1', []);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await Promise.all([first, repository.headManifest('v1', [])]);
    expect(performance.now() - start).toBeGreaterThan(990);
    expect(registry.trace().filter((line) => line.startsWith('HEAD'))).toHaveLength(2);
  });

  test('a registry that asks for days is not waited for', async () => {
    await using registry = await TestRegistry.start({
      rules: [
        {
          path: /manifests/,
          answer: { status: 429, headers: { 'retry-after': '1000000000', 'ratelimit-limit': '100;w=21600' } },
        },
      ],
    });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({
      status: 429,
      hint: expect.stringMatching(/quota 100;w=21600.*after 1000000000 s.*bld login/),
    });
  });

  test('a registry that says nothing ends with the idle timeout', async () => {
    await using registry = await TestRegistry.start({
      rules: [{ path: /manifests/, delayMs: 2000, times: 9 }],
    });
    const repository = repositoryOf(registry, 'a/b', {
      idleTimeoutMs: 50,
      retry: { attempts: 1, delayMs: 1 },
    });
    await expect(repository.getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: expect.stringContaining('no byte moved for 0.1 s'),
    });
  });

  test('a server that accepts and never speaks ends with the connect timeout', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
    const { port } = silent.address() as AddressInfo;
    const repository = connect(`127.0.0.1:${port}`, 'a', { connectTimeoutMs: 40, retry: { attempts: 0 } });
    await expect(repository.getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: expect.stringContaining('no connection in'),
    });
    silent.close();
  });

  test('nobody there', async () => {
    const registry = await TestRegistry.start();
    const repository = repositoryOf(registry);
    await registry[Symbol.asyncDispose]();
    await expect(repository.getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_NETWORK',
      hint: expect.stringContaining('nothing listens'),
    });
  });

  test('the signal ends a request and a pause', async () => {
    await using registry = await TestRegistry.start({
      rules: [{ path: /manifests/, delayMs: 5000, times: 9 }],
    });
    const controller = new AbortController();
    const repository = repositoryOf(registry, 'a/b', { signal: controller.signal });
    const asked = repository.getManifest('v1', []);
    setTimeout(() => controller.abort(new Error('stop')), 30);
    await expect(asked).rejects.toThrow('stop');
  });
});

test('warnings are told once, escaped', async () => {
  await using registry = await TestRegistry.start();
  registry.rules.add({ path: /v1/, headers: { warning: '299 - "old \\"api\\" \u009b2J"' }, times: 9 });
  registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
  const told: string[] = [];
  const repository = repositoryOf(registry, 'a/b', { onWarning: (text) => told.push(text) });
  await repository.getManifest('v1', []);
  await repository.headManifest('v1', []);
  expect(told).toEqual([`registry ${registry.host}: old "api" \\x9b2J`]);
});

test('verifyLogin proves a login', async () => {
  await using registry = await TestRegistry.start({ auth: { scheme: 'basic', users: { user: 'secret' } } });
  const credentials = { username: 'user', password: 'secret' };
  await verifyLogin(registry.host, { credentials });
  const wrong = verifyLogin(registry.host, { credentials: { ...credentials, password: 'no' } });
  await expect(wrong).rejects.toMatchObject({ code: 'E_AUTH' });
  await expect(verifyLogin(registry.host, { authFile: '/dev/null' })).rejects.toMatchObject({
    code: 'E_AUTH',
  });
});
