import { describe, expect, test } from 'vitest';
import { readAll, verified } from '../../../src/base/streams.ts';
import type { RegistryOptions } from '../../../src/registry/config.ts';
import { type Rule, TestRegistry } from '../../helpers/registry.ts';
import { noise, repositoryOf } from './fixtures.ts';

const BYTES = noise(300_000);

async function pull(rules: readonly Rule[], options: RegistryOptions = {}, offset = 0) {
  await using registry = await TestRegistry.start({
    rules: rules.map((rule) => ({ path: /blobs\/sha256/, ...rule })),
  });
  const descriptor = registry.addBlob('a/b', BYTES);
  const stream = await repositoryOf(registry, 'a/b', options).openBlob(descriptor, offset);
  const bytes = await readAll(offset === 0 ? verified(stream, descriptor, 'blob') : stream, 1e9, 'blob');
  const ranges = registry.requests.filter(({ url }) => url !== '/v2/').map(({ headers }) => headers.range);
  return { whole: bytes.equals(BYTES.subarray(offset)), ranges };
}

describe('openBlob takes up again what breaks', () => {
  test('nothing breaks: one request', async () => {
    expect(await pull([])).toEqual({ whole: true, ranges: [undefined] });
  });
  test('from an offset', async () => {
    expect(await pull([], {}, 1000)).toEqual({ whole: true, ranges: ['bytes=1000-'] });
  });
  test('an offset at the end asks for nothing', async () => {
    expect(await pull([], {}, BYTES.length)).toEqual({ whole: true, ranges: [] });
  });
  test('an offset, and the registry knows no ranges', async () => {
    expect(await pull([{ ignoreRange: true }], {}, 70_000)).toEqual({
      whole: true,
      ranges: ['bytes=70000-'],
    });
  });
  test('a reset in the middle, twice', async () => {
    const { whole, ranges } = await pull([{ resetAfter: 100_000 }, { resetAfter: 50_000 }]);
    expect(whole).toBe(true);
    expect(ranges).toHaveLength(3);
    expect(ranges[2]).toMatch(/^bytes=\d+-$/);
  });
  test('a silent close, with and without a length', async () => {
    expect((await pull([{ truncateAfter: 100_000 }])).whole).toBe(true);
    expect(
      (
        await pull([
          { truncateAfter: 100_000, headers: { 'content-length': '', 'transfer-encoding': 'chunked' } },
        ])
      ).whole,
    ).toBe(true);
    expect((await pull([{ truncateAfter: 100_000, headers: { 'content-length': '100000' } }])).whole).toBe(
      true,
    );
  });
  test('a reset, then the registry ignores the range', async () => {
    expect((await pull([{ resetAfter: 100_000 }, { ignoreRange: true }])).whole).toBe(true);
  });
  test('a reset, then 416', async () => {
    const { whole, ranges } = await pull([{ resetAfter: 100_000 }, { answer: { status: 416 } }]);
    expect(whole).toBe(true);
    expect(ranges[2]).toBeUndefined();
  });
  test('a reset, then a range that starts too early, or too late', async () => {
    const answer = (from: number) => ({
      answer: {
        status: 206,
        headers: { 'content-range': `bytes ${from}-299999/300000` },
        body: BYTES.subarray(from).toString('latin1'),
      },
    });
    const late = await pull([
      { truncateAfter: 1000, headers: { 'content-length': '1000', connection: 'close' } },
      answer(2000),
    ]);
    expect(late).toMatchObject({ whole: true, ranges: [undefined, 'bytes=1000-', undefined] });
  });
  test('a stall', async () => {
    expect((await pull([{ stallAfter: 100_000 }], { idleTimeoutMs: 150 })).whole).toBe(true);
  });
  test('500 at the first and at the second request', async () => {
    expect(
      (await pull([{ answer: { status: 500 } }, { resetAfter: 9 }, { answer: { status: 503 } }])).whole,
    ).toBe(true);
  });
  test('breaks without end are told', async () => {
    await expect(pull([{ resetAfter: 10, times: 99 }])).rejects.toMatchObject({ code: 'E_NETWORK' });
    await expect(
      pull([{ truncateAfter: 10, headers: { 'content-length': '10', connection: 'close' }, times: 99 }]),
    ).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: expect.stringMatching(/ended after \d+ of 300000 bytes/),
    });
  });
  test('too many bytes are refused', async () => {
    await expect(pull([{ extra: 1 }])).rejects.toMatchObject({ code: 'E_INTEGRITY' });
  });
  test('an absent blob is told when it is opened', async () => {
    await expect(pull([{ answer: { status: 404 } }])).rejects.toMatchObject({ status: 404 });
  });
});

test('six streams at once; those that nobody reads give their place back when destroyed', async () => {
  await using registry = await TestRegistry.start();
  const descriptor = registry.addBlob('a/b', BYTES);
  const repository = repositoryOf(registry);
  const six = await Promise.all(Array.from({ length: 6 }, () => repository.openBlob(descriptor)));
  let seventh = false;
  const late = repository.openBlob(descriptor).then((stream) => {
    seventh = true;
    return stream;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(seventh).toBe(false);
  expect(await repository.hasBlob(descriptor.digest)).toBe(BYTES.length);
  for (const stream of six) stream.destroy();
  expect((await readAll(await late, 1e9, 'x')).equals(BYTES)).toBe(true);
});

test('a slow reader is not taken for a dead network', async () => {
  await using registry = await TestRegistry.start();
  const descriptor = registry.addBlob('a/b', noise(3_000_000));
  const stream = await repositoryOf(registry, 'a/b', { idleTimeoutMs: 200 }).openBlob(descriptor);
  let size = 0;
  for await (const chunk of stream) {
    if (size === 0) await new Promise((resolve) => setTimeout(resolve, 500));
    size += chunk.length;
  }
  expect(size).toBe(3_000_000);
  expect(registry.trace()).toHaveLength(1);
});
