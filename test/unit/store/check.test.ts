import { existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { rebuildIndex } from '../../../src/store/rebuild.ts';
import { digest, imageOf, type TempStore, tempStore } from './temp-store.ts';

/** Two images, one of a blob and one of an unpacked layer, a list, and a container on that layer. */
async function fill(temp: TempStore) {
  using store = temp.open();
  const blob = await store.blobs.put(Buffer.from('bytes'), 'tar');
  const pulled = await store.images.add(
    imageOf('pulled', {
      layers: [{ diffId: digest('bytes'), blob }],
      manifest: { mediaType: 'm', bytes: Buffer.from('manifest') },
      names: ['pulled:1', 'moved:1'],
    }),
  );
  const staged = store.layers.stage();
  store.layers.publish(digest('built'), staged.directory, 10);
  const built = await store.images.add(
    imageOf('built', {
      layers: [{ diffId: digest('built') }],
      names: ['built:1', 'moved:1'],
      data: { a: 1 },
    }),
  );
  const index = await store.images.addIndex('index', Buffer.from('[]'), ['list:1']);
  const container = store.containers.create(
    { imageId: built.id, imageName: 'built:1', layers: [digest('built')], state: { x: 1 } },
    { base: 'c', unique: false },
  );
  store.containers.update(container.id, { name: 'renamed' });
  return { blob, pulled, built, index, container };
}

describe('check', () => {
  test('finds nothing in a whole store', async () => {
    const temp = tempStore();
    await fill(temp);
    expect(await temp.open().check({ repair: true })).toEqual([]);
  });

  test('finds and removes exactly the damaged closure', async () => {
    const temp = tempStore();
    const { blob, pulled, container } = await fill(temp);
    const store = temp.open();
    writeFileSync(store.blobs.path(blob.digest), 'BYTES');
    rmSync(join(temp.root, 'layers', digest('built').slice(7)), { recursive: true });
    const expected = [
      { kind: 'damaged blob', subject: blob.digest },
      { kind: 'missing layer', subject: digest('built') },
      { kind: 'incomplete image', subject: pulled.id, names: ['pulled:1'], lost: [blob.digest] },
      { kind: 'incomplete image', names: ['built:1', 'moved:1'], lost: [digest('built')] },
      { kind: 'incomplete container', subject: container.id, names: ['renamed'], repaired: false },
    ].map((finding) => expect.objectContaining(finding));
    expect(await store.check()).toEqual(expect.arrayContaining(expected));
    expect(store.images.list()).toHaveLength(2);
    expect(await store.check({ repair: true })).toHaveLength(5);
    expect(store.images.list()).toEqual([]);
    expect(store.blobs.has(blob.digest)).toBe(false);
    expect((await store.check()).map(({ kind }) => kind)).toEqual(['incomplete container']);
  });

  test('fetches a damaged blob again where it can', async () => {
    const temp = tempStore();
    const { blob } = await fill(temp);
    const store = temp.open();
    truncateSync(store.blobs.path(blob.digest), 3);
    const refetch = async () => {
      await store.blobs.ingest(blob, async () => Readable.from([Buffer.from('bytes')]));
      return true;
    };
    expect(await store.check({ repair: true, refetch })).toEqual([
      { kind: 'damaged blob', subject: blob.digest, repaired: true },
    ]);
    expect(store.images.list()).toHaveLength(2);
    expect(await store.check()).toEqual([]);
  });

  test('asks the layers room about unpacked trees', async () => {
    const temp = tempStore();
    await fill(temp);
    const findings = await temp.open().check({ verifyLayer: async () => false });
    expect(findings.map(({ kind }) => kind)).toContain('damaged layer');
  });
});

describe('rebuildIndex', () => {
  test.for([
    ['zero-length', (path: string) => truncateSync(path, 0)],
    ['missing', (path: string) => rmSync(path)],
    ['overwritten', (path: string) => writeFileSync(path, 'x'.repeat(10_000))],
  ] as const)('brings back images, names and containers of a store whose index is %s', async ([, damage]) => {
    const temp = tempStore();
    const before = await fill(temp);
    using old = temp.open();
    const state = [old.images.list(), old.images.listIndexes(), old.containers.list()];
    old[Symbol.dispose]();
    damage(join(temp.root, 'bld.db'));
    expect(await rebuildIndex(temp.options)).toEqual({
      images: 3,
      containers: 1,
      layers: 1,
      blobs: 5,
      damaged: [],
      lost: [],
    });
    const store = temp.open();
    expect([store.images.list(), store.images.listIndexes(), store.containers.list()]).toEqual(state);
    expect(store.layers.path(digest('built'))).not.toBeNull();
    expect(store.layers.blobs(digest('bytes'))).toEqual([before.blob]);
    expect(await store.check()).toEqual([]);
  });

  test('gives up what is damaged, and says so', async () => {
    const temp = tempStore();
    const { blob } = await fill(temp);
    writeFileSync(join(temp.root, 'blobs/sha256', blob.digest.slice(7)), '');
    rmSync(join(temp.root, 'bld.db'));
    expect(await rebuildIndex(temp.options)).toMatchObject({
      images: 2,
      damaged: [blob.digest],
      lost: ['pulled:1'],
    });
    expect(await temp.open().check()).toEqual([]);
    expect(existsSync(join(temp.root, 'bld.db.damaged'))).toBe(false);
  });

  test('not under a process that writes', async () => {
    const temp = tempStore();
    const store = temp.open();
    await store.blobs.put(Buffer.from('x'));
    await expect(rebuildIndex(temp.options)).rejects.toMatchObject({ code: 'E_IN_USE' });
  });
});
