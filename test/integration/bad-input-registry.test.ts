/** F34-F39: a registry that refuses, stalls, truncates or lies: one clear error, and a store as it was. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { failure, listing, publish, type RawImage, rawImage, sealConfig } from '../helpers/faults.ts';
import { attempt, call, leftovers } from '../helpers/processes.ts';
import { type Rule, TestRegistry } from '../helpers/registry.ts';
import { archive, member } from '../unit/layers/fixtures.ts';

const LAYER = archive(member('file', randomBytes(200_000)));
const UNKNOWN = { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] };
const DENIED = { errors: [{ code: 'DENIED', message: 'requested access is denied' }] };

let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
  publish(registry, rawImage([LAYER], inject('base')), 'good');
});
afterAll(() => registry[Symbol.asyncDispose]());

type Wrong = readonly [name: string, rule: Rule, code: string, message: RegExp];

const answer = (status: number, body: unknown = DENIED, headers: Record<string, string> = {}) => ({
  answer: { status, body: typeof body === 'string' ? body : JSON.stringify(body), headers },
  times: 99,
});

const MANIFEST = { method: 'GET', path: /manifests/ };
const BLOB = { method: 'GET', path: /blobs/ };

/** What a pull meets. */
const PULLS: readonly Wrong[] = [
  ['401', { path: /./, ...answer(401) }, 'E_AUTH', /asks for a login/],
  ['403', { ...MANIFEST, ...answer(403) }, 'E_AUTH', /403|denied/],
  ['404', { ...MANIFEST, ...answer(404, UNKNOWN) }, 'E_NOT_FOUND|E_REGISTRY', /good.*manifest unknown/],
  ['429', { ...MANIFEST, ...answer(429, DENIED, { 'retry-after': '0' }) }, 'E_REGISTRY', /429|requests/],
  ['500', { ...MANIFEST, ...answer(500, 'oops') }, 'E_REGISTRY', /500/],
  ['503 of blobs', { ...BLOB, ...answer(503, 'oops') }, 'E_REGISTRY', /503/],
  ['404 of a blob', { ...BLOB, ...answer(404) }, 'E_NOT_FOUND|E_REGISTRY', /./],
  [
    'no JSON',
    { ...MANIFEST, ...answer(200, 'no manifest', { 'content-type': 'text/plain' }) },
    'E_REGISTRY|E_ARCHIVE|E_UNSUPPORTED|E_INTEGRITY',
    /./,
  ],
  ['flipped byte', { ...BLOB, flip: 1000, times: 99 }, 'E_INTEGRITY', /digest/],
  ['truncated blob', { ...BLOB, truncateAfter: 1000, times: 99 }, 'E_NETWORK|E_INTEGRITY|E_REGISTRY', /./],
  ['too long blob', { ...BLOB, extra: 5000, times: 99 }, 'E_INTEGRITY|E_REGISTRY', /more|size|bytes/],
  ['reset', { ...BLOB, resetAfter: 1000, times: 99 }, 'E_NETWORK', /./],
  ['closed before the answer', { ...MANIFEST, resetAfter: 0, times: 99 }, 'E_NETWORK', /./],
];

/** What a push meets. */
const PUSHES: readonly Wrong[] = [
  ['401', { path: /./, ...answer(401) }, 'E_AUTH', /./],
  ['403', { method: 'POST', path: /uploads/, ...answer(403) }, 'E_AUTH', /403|denied/],
  [
    '429',
    { method: 'POST', path: /uploads/, ...answer(429, DENIED, { 'retry-after': '0' }) },
    'E_REGISTRY',
    /429|requests/,
  ],
  ['500 of the upload', { method: 'PUT', path: /uploads/, ...answer(500) }, 'E_REGISTRY', /500/],
  ['refused manifest', { method: 'PUT', path: /manifests/, ...answer(400) }, 'E_REGISTRY', /400|denied/],
  [
    'reset upload',
    { method: 'PUT', path: /uploads/, resetUploadAfter: 100, times: 99 },
    'E_NETWORK|E_REGISTRY',
    /./,
  ],
];

/** Images whose documents lie. */
const LIES: Readonly<Record<string, readonly [lie: (image: RawImage) => void, code: string]>> = {
  'a layer of another size': [
    ({ manifest: { layers } }) => {
      layers[1] = { ...described(layers[1]), size: 17 };
    },
    'E_INTEGRITY|E_REGISTRY',
  ],
  'a negative size': [
    ({ manifest: { layers } }) => {
      layers[1] = { ...described(layers[1]), size: -1 };
    },
    'E_ARCHIVE|E_REGISTRY|E_INTEGRITY',
  ],
  'another diffID': [
    (image) => {
      image.config.rootfs.diff_ids[1] = `sha256:${'0'.repeat(64)}`;
      sealConfig(image);
    },
    'E_INTEGRITY',
  ],
  'fewer diffIDs': [
    (image) => {
      image.config.rootfs.diff_ids.pop();
      sealConfig(image);
    },
    'E_ARCHIVE|E_INTEGRITY',
  ],
  'a digest that is a path': [
    ({ manifest: { layers } }) => {
      layers[1] = { ...described(layers[1]), digest: 'sha256:../../../../etc/passwd' };
    },
    'E_ARCHIVE|E_INTEGRITY',
  ],
  'a configuration that is another blob': [
    ({ manifest, blobs }) => {
      blobs.set(manifest.config.digest, Buffer.alloc(manifest.config.size, ' '));
    },
    'E_INTEGRITY',
  ],
  'layers and manifests at once': [
    ({ manifest }) => {
      manifest['manifests'] = [];
    },
    'E_ARCHIVE|E_INTEGRITY',
  ],
};

function described(layer: RawImage['manifest']['layers'][number] | undefined) {
  if (!layer) throw new Error('no layer');
  return layer;
}

describe.each(['root', 'tester'] as const)('as %s', (person) => {
  test('pulls and pushes that fail: a code, no retry for ever, and the store is as it was', async () => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    bench.run('run', 'c', 'touch', '/mine');
    bench.run('commit', 'c', 'mine');
    await call(bench, ['push', 'mine', `oci:${bench.directory}/compressed:1`]);
    const before = listing(bench);
    const wrong: unknown[] = [];
    const good = `${registry.host}/good`;
    const pulls = PULLS.map(
      (each) => [each, ['pull', '--retry-delay', '1ms', '--tls-verify=false', good]] as const,
    );
    const pushes = PUSHES.map((each, n) => {
      const target = `docker://${registry.host}/pushed-${n}:1`;
      return [each, ['push', '--retry-delay', '1ms', '--tls-verify=false', 'mine', target]] as const;
    });
    for (const [[name, rule, code, message], args] of [...pulls, ...pushes]) {
      registry.rules.clear();
      registry.rules.add({ ...rule });
      const result = await attempt(bench, ['--log-format', 'json', ...args]);
      const said = failure(result);
      const isRight =
        result.code === 125 &&
        result.stdout === '' &&
        code.split('|').includes(said.code ?? '') &&
        message.test(said.message ?? '');
      if (!isRight) wrong.push({ name, args: args[0], code: result.code, ...said });
    }
    registry.rules.clear();
    expect(wrong).toEqual([]);
    const kept = (line: string) => !line.startsWith('tmp/partial/');
    expect(listing(bench).filter(kept)).toEqual(before);
    expect(await attempt(bench, ['pull', '--tls-verify=false', good])).toMatchObject({ code: 0 });
    expect(leftovers(bench.root)).toEqual([]);
  });

  test('images that lie are refused, and leave nothing that can be used', async () => {
    using bench = new Bench(person);
    bench.run('images');
    const before = bench.run('images', '--all', '--json');
    const wrong: unknown[] = [];
    for (const [at, [name, [lie, codes]]] of Object.entries(LIES).entries()) {
      const image = rawImage([archive(member('file', randomBytes(1000)))], inject('base'));
      lie(image);
      publish(registry, image, `lie-${at}`);
      const base = `${registry.host}/lie-${at}`;
      const pulled = await attempt(bench, [
        '--log-format',
        'json',
        'from',
        '--name',
        'l',
        '--tls-verify=false',
        base,
      ]);
      // what shows only when the layer is read fails then
      const result =
        pulled.code === 0 ? await attempt(bench, ['--log-format', 'json', 'run', 'l', 'true']) : pulled;
      if (result.code !== 125 || !codes.split('|').includes(failure(result).code ?? '')) {
        wrong.push({ name, code: result.code, ...failure(result) });
      }
      if (pulled.code === 0) {
        await attempt(bench, ['rm', 'l']);
        await attempt(bench, ['rmi', '--force', base]);
      }
    }
    expect(wrong).toEqual([]);
    expect(bench.run('images', '--all', '--json')).toBe(before);
    expect(leftovers(bench.root)).toEqual([]);
  });
});

test('a registry that cannot be reached', async () => {
  using bench = new Bench('root');
  const pull = (name: string) => attempt(bench, ['--log-format', 'json', 'pull', '--retry', '0', name]);
  expect(failure(await pull('127.0.0.1:1/nothing'))).toMatchObject({
    code: 'E_NETWORK',
    hint: expect.any(String),
  });
  expect(failure(await pull('no-such-host.invalid/x'))).toMatchObject({ code: 'E_NETWORK' });
});
