import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { digest, imageOf, tempStore } from './temp-store.ts';

const error = (code: string) => expect.objectContaining({ code });

describe('add and find', () => {
  test('by name, id, prefix, manifest digest and name@digest', async () => {
    const store = tempStore().open();
    const bytes = Buffer.from('{"manifest":1}');
    const blob = await store.blobs.put(Buffer.from('layer'), 'application/x-layer');
    const image = await store.images.add(
      imageOf('a', {
        manifest: { mediaType: 'm/t', bytes },
        layers: [{ diffId: digest('diff'), blob, size: 7 }],
        names: ['docker.io/library/a:latest'],
        data: { format: 'oci' },
      }),
    );
    expect(image).toEqual({
      id: digestOf('{"label":"a"}'),
      manifest: { mediaType: 'm/t', digest: digestOf(bytes), size: bytes.length },
      created: 1,
      layers: [{ diffId: digest('diff'), blob, size: 7 }],
      names: ['docker.io/library/a:latest'],
      pastNames: [],
      intermediate: false,
      data: { format: 'oci' },
    });
    const hex = image.id.slice(7);
    for (const reference of [
      'docker.io/library/a:latest',
      image.id,
      hex,
      hex.slice(0, 12),
      `sha256:${hex.slice(0, 3)}`,
      digestOf(bytes),
      `docker.io/library/a@${digestOf(bytes)}`,
    ]) {
      expect(store.images.find(reference)?.id, reference).toBe(image.id);
    }
    expect(store.images.find(hex.slice(0, 2))).toBeNull();
    expect(store.images.find('docker.io/library/b:latest')).toBeNull();
    expect(store.layers.blobs(digest('diff'))).toEqual([blob]);
  });

  test('an ambiguous prefix is E_USAGE', async () => {
    const store = tempStore().open();
    const seen = new Map<string, string>();
    for (let n = 0; ; n++) {
      const image = await store.images.add(imageOf(String(n)));
      const prefix = image.id.slice(7, 10);
      if (seen.has(prefix)) {
        expect(() => store.images.find(prefix)).toThrow(error('E_USAGE'));
        return;
      }
      seen.set(prefix, image.id);
    }
  });

  test('refuses an image whose bytes are not there', async () => {
    const store = tempStore().open();
    const blob = { mediaType: 'x', digest: digest('gone'), size: 1 };
    for (const layer of [{ diffId: digest('d') }, { diffId: digest('d'), blob }]) {
      await expect(store.images.add(imageOf('a', { layers: [layer] }))).rejects.toMatchObject({
        code: 'E_STORE',
      });
    }
    expect(store.images.list()).toEqual([]);
  });

  test('twice: names add up, data merge, what was intermediate and is wanted now is so no more', async () => {
    const store = tempStore().open();
    await store.images.add(imageOf('a', { names: ['x:1'], intermediate: true, data: { one: 1 } }));
    const image = await store.images.add(imageOf('a', { names: ['x:2'], data: { two: 2 } }));
    expect(image).toMatchObject({ names: ['x:1', 'x:2'], intermediate: false, data: { one: 1, two: 2 } });
    expect((await store.images.add(imageOf('a', { intermediate: true }))).intermediate).toBe(false);
  });

  test('setManifest records manifest and blobs', async () => {
    const store = tempStore().open();
    const staged = store.layers.stage();
    store.layers.publish(digest('d'), staged.directory, 5);
    const { id } = await store.images.add(imageOf('a', { layers: [{ diffId: digest('d'), size: 5 }] }));
    const blob = await store.blobs.put(Buffer.from('packed'), 'tar+gzip');
    const bytes = Buffer.from('manifest');
    await store.images.setManifest(id, { mediaType: 'm', bytes }, [{ diffId: digest('d'), blob }]);
    expect(store.images.find(digestOf(bytes))).toMatchObject({
      id,
      layers: [{ diffId: digest('d'), blob, size: 5 }],
    });
  });
});

describe('names', () => {
  test('move, and are remembered, newest first', async () => {
    const store = tempStore().open();
    const a = await store.images.add(imageOf('a', { names: ['n:1', 'n:2'] }));
    const b = await store.images.add(imageOf('b', { names: ['n:1'] }));
    store.images.tag(b.id, ['n:2', 'n:3']);
    expect(store.images.get(a.id)).toMatchObject({ names: [], pastNames: ['n:2', 'n:1'] });
    expect(store.images.get(b.id)).toMatchObject({ names: ['n:1', 'n:2', 'n:3'], pastNames: [] });
    store.images.tag(a.id, ['n:1']);
    expect(store.images.get(a.id)).toMatchObject({ names: ['n:1'], pastNames: ['n:2'] });
    store.images.untag(['n:1']);
    expect(store.images.find('n:1')).toBeNull();
    expect(() => store.images.untag(['n:3', 'nobody'])).toThrow(error('E_NOT_FOUND'));
    expect(store.images.find('n:3')?.id).toBe(b.id);
    expect(() => store.images.tag(digest('nobody'), ['x:1'])).toThrow(error('E_NOT_FOUND'));
  });

  test.for(['', '-rf', 'a b', 'a\nb', 'x'.repeat(5000), 'é'])('refuses %j', (name) => {
    const store = tempStore().open();
    expect(() => store.images.tag(digest('x'), [name])).toThrow(error('E_USAGE'));
  });
});

describe('remove', () => {
  test('takes record and names; the bytes go with collect', async () => {
    const temp = tempStore();
    const store = temp.open();
    const image = await store.images.add(imageOf('a', { names: ['n:1'] }));
    store.images.remove(image.id);
    expect(store.images.find('n:1')).toBeNull();
    expect(() => store.images.remove(image.id)).toThrow(error('E_NOT_FOUND'));
    store[Symbol.dispose]();
    expect(temp.open().collect({ grace: 0 }).blobs).toBe(1);
    expect(readdirSync(join(temp.root, 'blobs/sha256'))).toEqual([]);
    expect(readdirSync(join(temp.root, 'records'))).toEqual([]);
  });

  test('E_IN_USE under a container, unless forced', async () => {
    const store = tempStore().open();
    const { id } = await store.images.add(imageOf('a'));
    store.containers.create(
      { imageId: id, imageName: 'a', layers: [], state: null },
      { base: 'c', unique: false },
    );
    expect(() => store.images.remove(id)).toThrow(/image is in use by a container/);
    store.images.remove(id, true);
    expect(store.images.get(id)).toBeNull();
  });
});

test('manifest lists: found by name and digest, names shared with images', async () => {
  const store = tempStore().open();
  const index = await store.images.addIndex('index/type', Buffer.from('[]'), ['l:1', 'l:2']);
  expect(index).toEqual({ digest: digestOf('[]'), mediaType: 'index/type', names: ['l:1', 'l:2'] });
  expect(store.images.findIndex('l:2')).toEqual(index);
  expect(store.images.findIndex(index.digest)).toEqual(index);
  expect(store.images.find('l:1')).toBeNull();
  await store.images.add(imageOf('a', { names: ['l:1'] }));
  expect(store.images.listIndexes()).toEqual([{ ...index, names: ['l:2'] }]);
  store.images.removeIndex(index.digest);
  expect(store.images.findIndex('l:2')).toBeNull();
});

test('list: newest first', async () => {
  const store = tempStore().open();
  for (const [label, created] of [
    ['old', 1],
    ['new', 3],
    ['mid', 2],
  ] as const) {
    await store.images.add(imageOf(label, { created, names: [`${label}:1`] }));
  }
  expect(store.images.list().map(({ names }) => names[0])).toEqual(['new:1', 'mid:1', 'old:1']);
});
