import { describe, expect, test } from 'vitest';
import { verifyLogin } from '../../../src/registry/client.ts';
import { type Auth, TestRegistry } from '../../helpers/registry.ts';
import { MANIFEST, opener, repositoryOf } from './fixtures.ts';

const BODY = Buffer.from('{}');
const USERS = { user: 'secret' };

async function start(auth: Auth): Promise<TestRegistry> {
  const registry = await TestRegistry.start({ auth });
  registry.addManifest('a/b', 'v1', { mediaType: MANIFEST, bytes: BODY });
  return registry;
}

const tokens = (registry: TestRegistry) => registry.requests.filter(({ url }) => url.startsWith('/token'));

describe('Bearer', () => {
  test('one token serves many requests, also parallel ones', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    const repository = repositoryOf(registry);
    await Promise.all(Array.from({ length: 5 }, () => repository.getManifest('v1', [])));
    await repository.headManifest('v1', []);
    expect(tokens(registry)).toHaveLength(1);
    expect(new URL(tokens(registry)[0]?.url ?? '', registry.origin).searchParams.getAll('scope')).toEqual([
      'repository:a/b:pull',
    ]);
    expect(registry.requests.at(-1)?.status).toBe(200);
  });

  test('another repository of the host is asked for with a token at once', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    await repositoryOf(registry).headManifest('v1', []);
    await repositoryOf(registry, 'c').headManifest('v1', []);
    expect(registry.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  });

  test('the anonymous may pull where that is allowed, and are told where not', async () => {
    await using open = await start({ scheme: 'bearer', anonymousPull: true });
    const anonymous = { credentials: undefined, authFile: '/dev/null' };
    expect((await repositoryOf(open, 'a/b', anonymous).getManifest('v1', [])).bytes).toEqual(BODY);
    expect(tokens(open)[0]?.headers.authorization).toBeUndefined();
    await using closed = await start({ scheme: 'bearer' });
    await expect(repositoryOf(closed, 'a/b', anonymous).getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_AUTH',
      hint: `no login was found: bld login ${closed.host}`,
    });
  });

  test('a wrong password is tried once and told with its origin', async () => {
    await using registry = await start({ scheme: 'bearer', users: { user: 'other' } });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_AUTH',
      message: expect.stringContaining('incorrect username or password'),
      hint: expect.stringContaining('came from --creds'),
    });
    expect(tokens(registry)).toHaveLength(1);
  });

  test('a token server that knows POST alone', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS, tokenMethods: 'POST' });
    await repositoryOf(registry).getManifest('v1', []);
    expect(tokens(registry).map(({ method }) => method)).toEqual(['GET', 'POST']);
  });

  test('an identity token goes by POST', async () => {
    await using registry = await start({ scheme: 'bearer', refreshTokens: ['idt'] });
    await repositoryOf(registry, 'a/b', { credentials: { identityToken: 'idt' } }).getManifest('v1', []);
    expect(tokens(registry).map(({ method, url }) => method + url)).toEqual(['POST/token']);
  });

  test('a token that expires between requests is renewed, in an upload too', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    const repository = repositoryOf(registry);
    await repository.getManifest('v1', []);
    registry.auth?.expireAll();
    await repository.getManifest('v1', []);
    expect(tokens(registry)).toHaveLength(2);
    const bytes = Buffer.alloc(100_000, 'x');
    const { digest, size } = registry.addBlob('other', bytes);
    const rule = {
      method: 'PATCH',
      after: 1,
      answer: { status: 401, headers: { 'www-authenticate': `Bearer realm="${registry.origin}/token"` } },
    };
    registry.rules.add(rule);
    await repositoryOf(registry, 'a/b', { chunkSize: 30_000 }).uploadBlob(
      { mediaType: 'x', digest, size },
      opener(bytes),
    );
    expect(registry.repo('a/b').blobs.has(digest)).toBe(true);
    expect(tokens(registry)).toHaveLength(4);
  });

  test('a token refused for good is an error after one renewal', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    registry.rules.add({
      path: /manifests/,
      answer: { status: 401, headers: { 'www-authenticate': `Bearer realm="${registry.origin}/token"` } },
      times: 99,
    });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({
      code: 'E_AUTH',
      status: 401,
    });
    expect(registry.requests.filter(({ url }) => url.includes('manifests'))).toHaveLength(2);
  });

  test('a mount asks for the right on its source too', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    const { digest } = registry.addBlob('src/x', 'bytes');
    expect(await repositoryOf(registry).mountBlob(digest, 'src/x')).toBe(true);
    const scopes = new URL(tokens(registry).at(-1)?.url ?? '', registry.origin).searchParams.getAll('scope');
    expect(scopes).toEqual(['repository:a/b:pull,push', 'repository:src/x:pull']);
  });

  test('a challenge that is given at /v2/ alone, and a relative realm', async () => {
    await using bare = await start({ scheme: 'bearer', users: USERS, challenge: '' });
    await repositoryOf(bare).getManifest('v1', []);
    await using relative = await start({
      scheme: 'bearer',
      users: USERS,
      challenge: 'Bearer realm="/token",service="test"',
    });
    await repositoryOf(relative).getManifest('v1', []);
  });

  test('a token server with a passing fault', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    registry.rules.add({ path: /^\/token/, answer: { status: 503 } }, { path: /^\/token/, resetAfter: 0 });
    await repositoryOf(registry).getManifest('v1', []);
  });

  test.each([{ token: 'a\r\nx: y' }, { token: '' }, { token: 7 }])(
    'no use of the token %j',
    async (tokenAnswer) => {
      await using registry = await start({ scheme: 'bearer', users: USERS, tokenAnswer });
      await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({
        code: 'E_REGISTRY',
      });
    },
  );

  test('an error body of the token server without end is cut', async () => {
    await using registry = await start({ scheme: 'bearer', users: USERS });
    registry.rules.add({
      path: /^\/token/,
      answer: { status: 200, body: `{"token":"${'x'.repeat(2 << 20)}"}` },
    });
    await expect(repositoryOf(registry).getManifest('v1', [])).rejects.toMatchObject({ code: 'E_LIMIT' });
  });
});

describe('Basic', () => {
  test('asked for once, then sent at once', async () => {
    await using registry = await start({ scheme: 'basic', users: USERS });
    const repository = repositoryOf(registry);
    await repository.getManifest('v1', []);
    await repository.getManifest('v1', []);
    expect(registry.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  });
  test('wrong, missing, of the wrong kind', async () => {
    await using registry = await start({ scheme: 'basic', users: USERS });
    const get = (options: object) =>
      repositoryOf(registry, 'a/b', { authFile: '/dev/null', ...options }).getManifest('v1', []);
    const hint = expect.stringContaining(`bld login ${registry.host}`);
    await expect(get({ credentials: { username: 'user', password: 'no' } })).rejects.toMatchObject({
      code: 'E_AUTH',
      hint,
    });
    await expect(get({ credentials: undefined })).rejects.toMatchObject({ code: 'E_AUTH', hint });
    await expect(get({ credentials: { identityToken: 'x' } })).rejects.toMatchObject({
      code: 'E_AUTH',
      hint,
    });
    await expect(
      verifyLogin(registry.host, { credentials: { username: 'user', password: 'no' } }),
    ).rejects.toMatchObject({ code: 'E_AUTH' });
  });
  test('the anonymous read on where they may, after somebody logged in', async () => {
    await using registry = await start({ scheme: 'basic', users: USERS, anonymousPull: true });
    await repositoryOf(registry).putManifest('v2', MANIFEST, BODY);
    const anonymous = repositoryOf(registry, 'a/b', { credentials: undefined, authFile: '/dev/null' });
    expect((await anonymous.getManifest('v2', [])).bytes).toEqual(BODY);
  });
});
