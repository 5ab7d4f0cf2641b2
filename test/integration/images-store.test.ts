import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { digestOf, hexOf } from '../../src/base/digest.ts';
import { emptyConfig, encodeConfig } from '../../src/images/config.ts';
import { copyImage } from '../../src/images/copy.ts';
import { materialise } from '../../src/images/materialise.ts';
import { appendLayer } from '../../src/images/mutate.ts';
import { formatPlatform, hostPlatform, parsePlatform } from '../../src/images/platform.ts';
import { pullImage } from '../../src/images/pull.ts';
import { pushImage, pushIndex } from '../../src/images/push.ts';
import { findImage, imageData } from '../../src/images/record.ts';
import { storeSink } from '../../src/images/transports/store.ts';
import { changes } from '../../src/layers/diff.ts';
import { writeLayer } from '../../src/layers/layer.ts';
import { packLayer } from '../../src/layers/pack.ts';
import type { Store } from '../../src/store/types.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { validateLayout, validateStored } from '../helpers/validate.ts';
import {
  memorySource,
  type TestImage,
  tempDirectory,
  testImage,
  testIndex,
} from '../unit/images/fixtures.ts';
import { tempStore } from '../unit/store/temp-store.ts';

const platform = formatPlatform(hostPlatform());
const other = platform === 'linux/s390x' ? 'linux/riscv64' : 'linux/s390x';
const registry = { tlsVerify: false };

function publish(server: TestRegistry, repository: string, tag: string, image: TestImage): string {
  for (const [digest, bytes] of image.content) {
    if (digest !== image.manifest.digest) server.addBlob(repository, bytes);
  }
  server.addManifest(repository, tag, image.manifest);
  return `${server.host}/${repository}:${tag}`;
}

function publishIndex(server: TestRegistry, repository: string, tag: string) {
  const images = [
    [other, testImage('other', { platform: other })],
    [platform, testImage('own', { platform })],
  ] as const;
  const index = testIndex(images);
  for (const [, image] of images) publish(server, repository, 'x', image);
  server.addManifest(repository, tag, index.raw);
  return { name: `${server.host}/${repository}:${tag}`, index, own: images[1][1], foreign: images[0][1] };
}

/** An image whose one layer is a directory of the store, as a commit leaves it. */
async function committed(store: Store, text: string, name = 'localhost/made:latest') {
  const staged = store.layers.stage();
  const tree = join(staged.directory, 'diff');
  mkdirSync(join(tree, 'etc'), { mode: 0o755 });
  writeFileSync(join(tree, 'etc', 'motd'), text, { mode: 0o644 });
  const { diffId, tarSize } = await writeLayer(packLayer(changes([tree], { kind: store.kind })), {
    compression: 'none',
  });
  store.layers.publish(diffId, staged.directory, tarSize);
  const config = appendLayer(emptyConfig(hostPlatform()), diffId, { created_by: 'test' });
  const annotations = { 'org.example': text };
  return store.images.add({
    config: encodeConfig(config),
    layers: [{ diffId, size: tarSize }],
    names: [name],
    created: 1,
    data: { format: 'oci', annotations },
  });
}

describe('pullImage', () => {
  test.each(['oci', 'docker'] as const)('keeps the bytes of an image in %s format', async (format) => {
    await using server = await TestRegistry.start();
    const image = testImage('x', { format, platform });
    const name = publish(server, 'a/b', 'v1', image);
    const { root, open } = tempStore();
    const store = open();
    const pulled = await pullImage(store, name, { registry });
    expect(pulled).toMatchObject({ id: digestOf(image.configBytes), names: [name] });
    expect(pulled.manifest?.digest).toBe(image.manifest.digest);
    expect(imageData(pulled)).toMatchObject({ format, source: `docker://${name}` });
    expect(pulled.layers.map(({ diffId }) => diffId)).toEqual(image.tars.map((tar) => digestOf(tar)));
    validateStored(root, image.manifest.digest, image.manifest.mediaType);
    expect(store.blobs.origins(image.manifest.digest)).toEqual([]);
    expect(store.blobs.origins(digestOf(image.configBytes))).toEqual([`${server.host}/a/b`]);
  });

  test('chooses the platform and remembers the index', async () => {
    await using server = await TestRegistry.start();
    const { name, index, own, foreign } = publishIndex(server, 'a', 'v1');
    const store = tempStore().open();
    const pulled = await pullImage(store, name, { registry });
    expect(pulled.manifest?.digest).toBe(own.manifest.digest);
    expect(imageData(pulled).index?.digest).toBe(index.raw.digest);
    const second = await pullImage(store, name, { registry, platform: parsePlatform(other) });
    expect(second.manifest?.digest).toBe(foreign.manifest.digest);
    const byDigest = await pullImage(store, `${server.host}/a@${index.raw.digest}`, { registry });
    expect(byDigest.id).toBe(pulled.id);
    expect(byDigest.names).toContain(`${server.host}/a@${index.raw.digest}`);
    await expect(
      pullImage(store, name, { registry, platform: parsePlatform('linux/loong64') }),
    ).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
      hint: expect.stringContaining(platform),
    });
  });

  test('policies: what is asked of the registry', async () => {
    await using server = await TestRegistry.start();
    const name = publish(server, 'a', 'v1', testImage('one', { platform }));
    const store = tempStore().open();
    await expect(pullImage(store, name, { registry, policy: 'never' })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
      message: `${name}: image not known`,
    });
    expect(server.requests).toEqual([]);
    const one = await pullImage(store, name, { registry });
    const asked = async (policy: 'always' | 'missing' | 'newer' | 'never') => {
      server.requests.length = 0;
      const image = await pullImage(store, name, { registry, policy });
      return { id: image.id, trace: server.trace() };
    };
    expect(await asked('missing')).toEqual({ id: one.id, trace: [] });
    expect(await asked('never')).toEqual({ id: one.id, trace: [] });
    expect(await asked('newer')).toEqual({ id: one.id, trace: ['HEAD /v2/a/manifests/v1'] });
    expect(await asked('always')).toEqual({ id: one.id, trace: ['GET /v2/a/manifests/v1'] });
    publish(server, 'a', 'v1', testImage('two', { platform }));
    expect((await asked('missing')).id).toBe(one.id);
    expect((await asked('newer')).id).not.toBe(one.id);
    expect(findImage(store, one.id, hostPlatform())?.pastNames).toEqual([name]);
    await server[Symbol.asyncDispose]();
    const retry = { attempts: 0 };
    const offline = await pullImage(store, name, { registry: { ...registry, retry }, policy: 'newer' });
    expect(offline.names).toEqual([name]);
  });

  test('names of the store are never asked of a registry', async () => {
    const store = tempStore().open();
    const made = await committed(store, 'x', 'localhost/alpine:latest');
    for (const text of [
      'alpine',
      'localhost/alpine',
      'containers-storage:alpine',
      made.id,
      made.id.slice(7, 19),
    ]) {
      expect((await pullImage(store, text, { policy: 'always' })).id, text).toBe(made.id);
    }
    await expect(pullImage(store, 'localhost/none')).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(pullImage(store, `sha256:${'f'.repeat(64)}`)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(
      pullImage(store, 'alpine', { platform: parsePlatform(other), policy: 'never' }),
    ).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
  });

  test('a registry that gives other bytes than a digest asks for is refused', async () => {
    await using server = await TestRegistry.start();
    const image = testImage('x', { platform });
    publish(server, 'a', 'v1', image);
    const wrong = testImage('y', { platform }).manifest;
    server.repo('a').manifests.set(image.manifest.digest, { mediaType: wrong.mediaType, bytes: wrong.bytes });
    const store = tempStore().open();
    await expect(
      pullImage(store, `${server.host}/a@${image.manifest.digest}`, { registry }),
    ).rejects.toMatchObject({
      code: 'E_INTEGRITY',
    });
    expect(store.images.list()).toEqual([]);
  });

  test.each([
    ['more layers than diffIDs', (m: { layers: unknown[] }) => m.layers.push(m.layers[0]), 'E_INTEGRITY'],
    ['fewer layers than diffIDs', (m: { layers: unknown[] }) => m.layers.pop(), 'E_INTEGRITY'],
    [
      'another type of configuration',
      (m: { config: { mediaType: string } }) => (m.config.mediaType = 'application/x'),
      'E_UNSUPPORTED',
    ],
    [
      "a size that is not the blob's",
      (m: { layers: { size: number }[] }) => m.layers.map((layer) => layer.size++),
      'E_INTEGRITY',
    ],
  ])('an image with %s is refused', async (_, change, code) => {
    const image = testImage('x', { platform });
    const document = JSON.parse(image.manifest.bytes.toString());
    change(document);
    const bytes = Buffer.from(JSON.stringify(document));
    const store = tempStore().open();
    const lying = memorySource({ ...image.manifest, bytes, digest: digestOf(bytes) }, image.content);
    const attempt = () => copyImage(lying, storeSink(store, { names: ['localhost/x:1'] }));
    await expect(attempt()).rejects.toMatchObject({ code });
    expect(store.images.list()).toEqual([]);
    await copyImage(
      memorySource(image.manifest, image.content),
      storeSink(store, { names: ['localhost/x:1'] }),
    );
    await expect(attempt()).rejects.toMatchObject({ code });
  });
});

describe('pushImage', () => {
  test('what was pulled is pushed byte for byte, and mounted where it is known', async () => {
    await using server = await TestRegistry.start();
    const image = testImage('x', { platform, format: 'docker' });
    const store = tempStore().open();
    const pulled = await pullImage(store, publish(server, 'from/here', 'v1', image), { registry });
    server.requests.length = 0;
    server.bytesUp = 0;
    const pushed = await pushImage(store, pulled, `docker://${server.host}/to/there:v2`, { registry });
    expect(pushed.digest).toBe(image.manifest.digest);
    expect(server.repo('to/there').manifests.get('v2')?.bytes).toEqual(image.manifest.bytes);
    const uploads = server.requests.filter(({ method }) => method === 'PATCH' || method === 'PUT');
    expect(uploads.map(({ url }) => url)).toEqual(['/v2/to/there/manifests/v2']);
    expect(store.blobs.origins(digestOf(image.configBytes))[0]).toBe(`${server.host}/to/there`);
  });

  test('a registry that mounts what it has not gets the bytes', async () => {
    await using server = await TestRegistry.start();
    const store = tempStore().open();
    const image = testImage('x', { platform });
    const pulled = await pullImage(store, publish(server, 'from', 'v1', image), { registry });
    server.rules.add(
      { method: 'POST', path: /mount=/, answer: { status: 201, headers: { location: '/x' } }, times: 10 },
      {
        method: 'PUT',
        path: /manifests/,
        answer: {
          status: 400,
          body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}',
        },
      },
    );
    await pushImage(store, pulled, `${server.host}/to:1`, { registry });
    for (const digest of image.content.keys()) {
      if (digest !== image.manifest.digest) expect([...server.repo('to').blobs]).toContain(digest);
    }
    expect(server.repo('to').manifests.get('1')?.bytes).toEqual(image.manifest.bytes);
  });

  test('OCI layouts get the OCI form, archives the plain layers', async () => {
    const store = tempStore().open();
    const image = testImage('x', { platform, format: 'docker' });
    const sink = storeSink(store, { names: ['localhost/x:1'] });
    await copyImage(memorySource(image.manifest, image.content), sink);
    const record = store.images.find('localhost/x:1');
    if (!record) throw new Error('not there');
    const directory = tempDirectory();
    await pushImage(store, record, `oci:${directory}/oci:v1`);
    expect(validateLayout(`${directory}/oci`)[0]?.mediaType).toContain('oci');
    await pushImage(store, record, `docker-archive:${directory}/x.tar:x:1`);
    const second = tempStore().open();
    const loaded = await pullImage(second, `docker-archive:${directory}/x.tar`);
    expect(loaded).toMatchObject({ id: record.id, names: ['docker.io/library/x:1'] });
    expect(loaded.manifest).toBeUndefined();
    expect((await pullImage(second, `oci:${directory}/oci:v1`)).names).toContain('localhost/v1:latest');
    await pushImage(second, loaded, 'containers-storage:again');
    expect(second.images.find('localhost/again:latest')?.id).toBe(record.id);
  });

  test('an index goes out with all its images, and comes back', async () => {
    await using server = await TestRegistry.start();
    const { index } = publishIndex(server, 'a', 'v1');
    const store = tempStore().open();
    const source = memorySource(index.raw, index.content);
    await copyImage(source, storeSink(store, { names: ['localhost/all:latest'] }), { select: 'all' });
    const record = store.images.findIndex('localhost/all:latest');
    if (!record) throw new Error('no index');
    expect((await pushIndex(store, record, `${server.host}/b:1`, { registry })).digest).toBe(
      index.raw.digest,
    );
    expect(server.repo('b').manifests.get('1')?.bytes).toEqual(index.raw.bytes);
    await expect(pushIndex(store, record, `docker-archive:${tempDirectory()}/x`)).rejects.toMatchObject({
      code: 'E_UNSUPPORTED',
    });
    expect(findImage(store, 'all', parsePlatform(other))?.id).not.toBe(
      findImage(store, 'all', hostPlatform())?.id,
    );
    expect(store.images.list().every(({ intermediate }) => intermediate)).toBe(true);
  });
});

describe('materialise', () => {
  test('compresses the layers of a committed image once; the manifest is kept', async () => {
    const { root, open } = tempStore();
    const store = open();
    const image = await committed(store, 'hello');
    const { manifest, layers } = await materialise(store, image);
    const [entry] =
      validateStored(root, manifest.digest, manifest.mediaType).layers[0]?.filter(({ name }) =>
        name.endsWith('motd'),
      ) ?? [];
    expect(entry?.data.toString()).toBe('hello');
    expect(manifest.bytes.toString()).toContain('"org.example":"hello"');
    const again = store.images.get(image.id);
    expect(again?.manifest?.digest).toBe(manifest.digest);
    expect(again?.layers).toEqual(layers);
    rmSync(join(root, 'layers'), { recursive: true });
    expect((await materialise(store, again ?? image)).manifest.digest).toBe(manifest.digest);
  });

  test('other forms do not replace the own one', async () => {
    const { root, open } = tempStore();
    const store = open();
    const image = await committed(store, 'hello');
    const docker = await materialise(store, image, { format: 'docker' });
    expect(docker.manifest.mediaType).toContain('docker');
    expect(store.images.get(image.id)?.manifest).toBeUndefined();
    const own = await materialise(store, image);
    const zstd = await materialise(store, store.images.get(image.id) ?? image, {
      compression: 'zstd',
      force: true,
    });
    expect(zstd.manifest.bytes.toString()).toContain('tar+zstd');
    const kept = store.images.get(image.id) ?? image;
    expect(kept.manifest?.digest).toBe(own.manifest.digest);
    expect((await materialise(store, kept, { compression: 'zstd' })).manifest.digest).toBe(
      own.manifest.digest,
    );
    expect(validateStored(root, own.manifest.digest, own.manifest.mediaType).layers).toHaveLength(1);
    const plain = await materialise(store, kept, { compression: 'none', force: true });
    expect(plain.layers[0]?.blob?.digest).toBe(plain.layers[0]?.diffId);
    await expect(
      materialise(store, kept, { format: 'docker', compression: 'zstd', force: true }),
    ).rejects.toMatchObject({
      code: 'E_UNSUPPORTED',
    });
  });

  test('files that changed since the commit are noticed', async () => {
    const store = tempStore().open();
    const image = await committed(store, 'hello');
    const [layer] = image.layers;
    writeFileSync(join(store.layers.path(layer?.diffId ?? image.id) ?? '', 'etc', 'motd'), 'HELLO');
    await expect(materialise(store, image)).rejects.toMatchObject({ code: 'E_INTEGRITY' });
  });

  test("bytes that another image claims to be the layer's are not believed", async () => {
    const { root, open } = tempStore();
    const store = open();
    const image = await committed(store, 'hello');
    const [layer] = image.layers;
    if (!layer) throw new Error('no layer');
    const evil = gzipSync(testImage('evil').tars[0] ?? '');
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
    const blob = await store.blobs.put(evil, mediaType);
    store.layers.addBlob(layer.diffId, blob);
    const { manifest } = await materialise(store, image);
    expect(manifest.bytes.toString()).not.toContain(hexOf(blob.digest));
    validateStored(root, manifest.digest, manifest.mediaType);
  });

  test('plain layers that came with a manifest stay as they are until somebody asks', async () => {
    const store = tempStore().open();
    const image = testImage('x', { platform, compression: 'none' });
    await copyImage(
      memorySource(image.manifest, image.content),
      storeSink(store, { names: ['localhost/x:1'] }),
    );
    const record = store.images.find('localhost/x:1');
    if (!record) throw new Error('not there');
    expect((await materialise(store, record)).manifest.digest).toBe(image.manifest.digest);
    const packed = await materialise(store, record, { compression: 'gzip' });
    expect(packed.manifest.bytes.toString()).toContain('tar+gzip');
  });
});
