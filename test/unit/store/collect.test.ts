import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digest, imageOf, type TempStore, tempStore } from './temp-store.ts';

const files = (temp: TempStore, directory: string) => readdirSync(join(temp.root, directory)).length;

/** What one process leaves: a layer with a blob, an image on it, and some of everything that nobody needs. */
async function fill(temp: TempStore) {
  const store = temp.open();
  const blob = await store.blobs.put(Buffer.from('used'));
  const { id } = await store.images.add(
    imageOf('a', { layers: [{ diffId: digest('used'), blob }], names: ['a:1'] }),
  );
  await store.blobs.put(Buffer.from('unused'));
  for (const name of ['used', 'unused', 'step', 'container']) {
    store.layers.publish(digest(name), store.layers.stage().directory, 100);
  }
  store.steps.put({ key: digest('k'), diffId: digest('step'), result: null, inputs: [], site: 's' });
  store.containers.create(
    { imageId: null, imageName: '', layers: [digest('container')], state: null },
    { base: 'c', unique: false },
  );
  store[Symbol.dispose]();
  return id;
}

describe('collect', () => {
  test('keeps what is needed, removes the rest', async () => {
    const temp = tempStore();
    await fill(temp);
    using store = temp.open();
    expect(store.collect()).toEqual({ blobs: 0, layers: 0, bytes: 0 }); // all of it is young
    expect(store.collect({ grace: 0 })).toEqual({ blobs: 1, layers: 1, bytes: 106 });
    expect(store.collect({ grace: 0 })).toEqual({ blobs: 0, layers: 0, bytes: 0 });
    expect(files(temp, 'blobs/sha256')).toBe(2);
    expect(files(temp, 'layers')).toBe(3);
    expect(files(temp, 'containers')).toBe(1);
  });

  test('what falls with an image, a step, a container', async () => {
    const temp = tempStore();
    const id = await fill(temp);
    using store = temp.open();
    store.images.remove(id);
    store.steps.remove([digest('k')]);
    store.containers.remove(store.containers.find('c')?.id ?? '');
    expect(store.collect({ grace: 0 })).toMatchObject({ blobs: 3, layers: 4 });
    for (const directory of ['blobs/sha256', 'layers', 'containers', 'records']) {
      expect(files(temp, directory), directory).toBe(0);
    }
  });

  test('what somebody removed has no grace, what another one needs stays', async () => {
    const temp = tempStore();
    const id = await fill(temp);
    using store = temp.open();
    const blob = await store.blobs.put(Buffer.from('used'));
    store[Symbol.dispose]();
    using other = temp.open();
    const twin = await other.images.add(imageOf('b', { layers: [{ diffId: digest('used'), blob }] }));
    other.containers.remove(other.containers.find('c')?.id ?? '');
    other.images.remove(id);
    other[Symbol.dispose]();
    using third = temp.open();
    expect(third.collect()).toMatchObject({ blobs: 1, layers: 1 }); // a configuration, the container's layer
    third.images.remove(twin.id);
    expect(third.collect()).toMatchObject({ blobs: 2, layers: 1 });
  });

  test('a live process keeps what it made or found', async () => {
    const temp = tempStore();
    const maker = temp.open();
    const { digest: made } = await maker.blobs.put(Buffer.from('made'));
    maker.layers.publish(digest('made'), maker.layers.stage().directory, 1);
    const finder = temp.open();
    await finder.blobs.put(Buffer.from('made'));
    await finder.layers.ensure(digest('made'), () => Promise.reject(new Error('asked')));
    maker[Symbol.dispose]();
    using other = temp.open();
    expect(other.collect({ grace: 0 })).toMatchObject({ blobs: 0, layers: 0 });
    finder[Symbol.dispose]();
    expect(other.collect({ grace: 0 })).toMatchObject({ blobs: 1, layers: 1 });
    expect(other.blobs.has(made)).toBe(false);
  });

  test('clears files without a record, and staging without an owner', () => {
    const temp = tempStore();
    using store = temp.open();
    writeFileSync(join(temp.root, 'blobs/sha256/stray'), '');
    for (const path of ['layers/stray', 'containers/stray', 'tmp/stray']) {
      mkdirSync(join(temp.root, path, 'deep'), { recursive: true });
    }
    writeFileSync(join(temp.root, 'leases/stray'), '');
    writeFileSync(join(temp.root, 'tmp/partial', digest('x').slice(7)), 'part');
    expect(store.collect({ grace: 0 }).bytes).toBe(4);
    store[Symbol.dispose]();
    for (const path of ['blobs/sha256', 'layers', 'containers', 'leases', 'tmp/partial']) {
      expect(files(temp, path), path).toBe(0);
    }
    expect(readdirSync(join(temp.root, 'tmp'))).toEqual(['partial']);
  });
});
