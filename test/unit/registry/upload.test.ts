import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { BldError } from '../../../src/base/errors.ts';
import type { RegistryOptions } from '../../../src/registry/config.ts';
import { withDigest } from '../../../src/registry/upload.ts';
import { type Rule, sha256, TestRegistry, type TestRegistryOptions } from '../../helpers/registry.ts';
import { noise, opener, repositoryOf } from './fixtures.ts';

const BYTES = noise(400_000);
const DIGEST = sha256(BYTES);
const DESCRIPTOR = { mediaType: 'application/octet-stream', digest: DIGEST, size: BYTES.length };

async function push(
  rules: readonly Rule[],
  options: RegistryOptions = {},
  registryOptions: TestRegistryOptions = {},
) {
  await using registry = await TestRegistry.start({ ...registryOptions, rules });
  const positions: number[] = [];
  await repositoryOf(registry, 'a/b', options).uploadBlob(DESCRIPTOR, opener(BYTES), (at) =>
    positions.push(at),
  );
  expect(registry.blobs.get(DIGEST)?.equals(BYTES)).toBe(true);
  expect(positions.at(-1)).toBe(BYTES.length);
  const methods = registry.requests.filter(({ url }) => url !== '/v2/').map(({ method }) => method);
  return {
    methods: methods.join(' '),
    bytesUp: registry.bytesUp,
    sessions: registry.sessions.size,
    registry,
  };
}

describe('one streaming PUT', () => {
  test('two requests', async () => {
    expect(await push([])).toMatchObject({ methods: 'POST PUT', bytesUp: BYTES.length, sessions: 0 });
  });
  test('an empty blob', async () => {
    await using registry = await TestRegistry.start();
    await repositoryOf(registry).uploadBlob(
      { ...DESCRIPTOR, digest: sha256(''), size: 0 },
      opener(Buffer.alloc(0)),
    );
    expect(registry.blobs.has(sha256(''))).toBe(true);
  });
  test('a reset in the middle: the registry has nothing, so all is sent again', async () => {
    const { methods } = await push([{ method: 'PUT', resetUploadAfter: 100_000 }]);
    expect(methods).toBe('POST PUT HEAD GET POST PUT');
  });
  test('a reset in the middle: the registry kept the part, so the rest is sent', async () => {
    const { methods, bytesUp } = await push([{ method: 'PUT', resetUploadAfter: 200_000, keepPart: true }]);
    expect(methods).toBe('POST PUT HEAD GET PUT');
    expect(bytesUp).toBeLessThan(BYTES.length + 1);
  });
  test('the answer was lost: the blob is there', async () => {
    const { methods } = await push([{ method: 'PUT', headers: { 'content-length': '7' }, resetAfter: 0 }]);
    expect(methods).toBe('POST PUT HEAD');
  });
  test('a lost session is begun again, once', async () => {
    expect((await push([{ method: 'PUT', answer: { status: 404 } }])).methods).toBe('POST PUT HEAD POST PUT');
    await expect(push([{ method: 'PUT', answer: { status: 404 }, times: 2 }])).rejects.toMatchObject({
      status: 404,
    });
  });
  test('500 on POST, 503 on PUT', async () => {
    const { methods } = await push([
      { method: 'POST', answer: { status: 500 } },
      { method: 'PUT', answer: { status: 503 } },
    ]);
    expect(methods).toBe('POST POST PUT HEAD GET POST PUT');
  });
  test('what is never mended is told, and the session cancelled', async () => {
    await using registry = await TestRegistry.start({
      rules: [{ method: 'PUT', answer: { status: 503 }, times: 99 }],
    });
    await expect(repositoryOf(registry).uploadBlob(DESCRIPTOR, opener(BYTES))).rejects.toMatchObject({
      code: 'E_REGISTRY',
      status: 503,
    });
    expect(registry.requests.at(-1)?.method).toBe('DELETE');
  });
  test('413 changes to chunks only where chunks are smaller', async () => {
    await expect(push([{ method: 'PUT', answer: { status: 413 } }])).rejects.toMatchObject({ status: 413 });
  });
});

describe('chunks', () => {
  test('all but the last by PATCH, the last by PUT', async () => {
    const { methods, registry } = await push([], { chunkSize: 150_000 });
    expect(methods).toBe('POST PATCH PATCH PUT');
    const ranges = registry.requests.map(({ headers }) => headers['content-range']).filter(Boolean);
    expect(ranges).toEqual(['0-149999', '150000-299999', '300000-399999']);
  });
  test('not smaller than the registry wants', async () => {
    const { methods } = await push([], { chunkSize: 1000 }, { minChunk: 250_000 });
    expect(methods).toBe('POST PATCH PUT');
  });
  test('a reset in a PATCH goes on where the registry stands', async () => {
    const { methods } = await push(
      [{ method: 'PATCH', after: 1, resetUploadAfter: 60_000, keepPart: true }],
      { chunkSize: 150_000 },
    );
    expect(methods).toMatch(/^POST PATCH PATCH HEAD GET (PATCH )?PUT$/);
  });
  test('416 asks where the registry stands', async () => {
    const { methods } = await push([{ method: 'PATCH', after: 1, answer: { status: 416 } }], {
      chunkSize: 150_000,
    });
    expect(methods).toBe('POST PATCH PATCH HEAD GET PATCH PUT');
  });
  test('a registry that takes nothing does not make a loop', async () => {
    const stuck = { method: 'PATCH', headers: { range: '0-0' }, after: 1, times: 99 };
    await expect(push([stuck], { chunkSize: 100_000 })).rejects.toMatchObject({ code: 'E_REGISTRY' });
  });
});

describe('the source', () => {
  test('its own error passes unchanged, is not tried again, and the session is cancelled', async () => {
    await using registry = await TestRegistry.start();
    const broken = new BldError('E_ARCHIVE', 'mine');
    const failing = () =>
      Readable.from(
        (async function* () {
          yield BYTES.subarray(0, 1000);
          throw broken;
        })(),
      );
    await expect(repositoryOf(registry).uploadBlob(DESCRIPTOR, failing)).rejects.toBe(broken);
    expect(registry.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
    expect(registry.requests.at(-1)?.method).toBe('DELETE');
  });
  test('too short and too long', async () => {
    await using registry = await TestRegistry.start();
    const upload = (bytes: Buffer) => repositoryOf(registry).uploadBlob(DESCRIPTOR, opener(bytes));
    await expect(upload(BYTES.subarray(1))).rejects.toMatchObject({
      code: 'E_INTEGRITY',
      message: expect.stringContaining('ends after'),
    });
    await expect(upload(Buffer.concat([BYTES, BYTES]))).rejects.toMatchObject({ code: 'E_INTEGRITY' });
    expect(registry.blobs.size).toBe(0);
  });
  test('wrong bytes are refused by the registry', async () => {
    await using registry = await TestRegistry.start();
    const wrong = Buffer.from(BYTES).fill(0, 0, 10);
    await expect(repositoryOf(registry).uploadBlob(DESCRIPTOR, opener(wrong))).rejects.toMatchObject({
      code: 'E_REGISTRY',
      message: expect.stringContaining('DIGEST_INVALID'),
    });
  });
  test('the signal ends it and cancels the session', async () => {
    await using registry = await TestRegistry.start();
    const controller = new AbortController();
    const endless = () =>
      Readable.from(
        (async function* () {
          yield BYTES.subarray(0, 1000);
          controller.abort(new Error('stop'));
          await new Promise((resolve) => setTimeout(resolve, 1000).unref());
        })(),
      );
    const repository = repositoryOf(registry, 'a/b', { signal: controller.signal });
    await expect(repository.uploadBlob(DESCRIPTOR, endless)).rejects.toThrow('stop');
    expect(registry.requests.at(-1)?.method).toBe('DELETE');
  });
});

describe('mounts', () => {
  test('within the registry, without a byte', async () => {
    await using registry = await TestRegistry.start();
    registry.addBlob('base/one', BYTES);
    expect(await repositoryOf(registry).mountBlob(DIGEST, 'base/one')).toBe(true);
    expect(registry.bytesUp).toBe(0);
    expect(registry.repo('a/b').blobs.has(DIGEST)).toBe(true);
  });
  test('refused with 202: the session serves the upload', async () => {
    await using registry = await TestRegistry.start();
    const repository = repositoryOf(registry);
    expect(await repository.mountBlob(DIGEST, 'base/none')).toBe(false);
    await repository.uploadBlob(DESCRIPTOR, opener(BYTES));
    expect(registry.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });
  test.each([400, 401, 403, 404, 405])('refused with %d: an upload is asked for', async (status) => {
    await using registry = await TestRegistry.start({
      rules: [{ path: /mount=/, answer: { status }, times: 9 }],
    });
    const repository = repositoryOf(registry);
    expect(await repository.mountBlob(DIGEST, 'base/one')).toBe(false);
    await repository.uploadBlob(DESCRIPTOR, opener(BYTES));
  });
});

test.each([
  ['https://r/u?_state=a%2Fb', 'https://r/u?_state=a%2Fb&digest=sha256%3Ax'],
  ['https://r/u', 'https://r/u?digest=sha256%3Ax'],
  ['https://r/u?', 'https://r/u?digest=sha256%3Ax'],
  ['https://r/u?a&', 'https://r/u?a&digest=sha256%3Ax'],
])('withDigest(%s)', (location, expected) =>
  expect(withDigest(new URL(location), 'sha256:x').href).toBe(expected),
);
