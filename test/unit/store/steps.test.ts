import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Database } from '../../../src/store/database.ts';
import type { Store } from '../../../src/store/types.ts';
import { digest, tempStore } from './temp-store.ts';

const step = (key: string, site = 'Dockerfile:1') => ({
  key: digest(key),
  diffId: null,
  result: { env: ['A=b'] },
  inputs: [['file', 'sha256:x']] as const,
  site,
});

test('get, latest, list, remove', () => {
  const store = tempStore().open();
  for (const key of ['a', 'b', 'a']) store.steps.put(step(key));
  store.steps.put(step('c', 'elsewhere'));
  expect(store.steps.get(digest('a'))).toEqual({ ...step('a'), created: expect.any(Number) });
  expect(store.steps.get(digest('z'))).toBeNull();
  expect(store.steps.latest('Dockerfile:1')?.key).toBe(digest('a'));
  expect(store.steps.latest('nowhere')).toBeNull();
  expect(store.steps.list()).toHaveLength(3);
  store.steps.remove([digest('a'), digest('c')]);
  expect(store.steps.list().map(({ key }) => key)).toEqual([digest('b')]);
});

test('a record without its layer is a miss', () => {
  const { open, root } = tempStore();
  const store = open();
  const diffId = digest('layer');
  store.layers.publish(diffId, store.layers.stage().directory, 1);
  store.steps.put({ ...step('a'), diffId });
  expect(store.steps.get(digest('a'))?.diffId).toBe(diffId);
  rmSync(join(root, 'layers', diffId.slice(7)), { recursive: true });
  expect(store.steps.get(digest('a'))).toBeNull();
});

test('a replayed step is used; a record from elsewhere keeps its date', () => {
  const store = tempStore().open();
  store.steps.put({ ...step('a'), created: 5 });
  const [kept] = store.steps.list();
  expect(kept).toMatchObject({ created: 5, used: expect.any(Number) });
  expect(kept?.used).toBeGreaterThan(5);
  store.steps.touch(digest('a'));
  expect(store.steps.list()[0]?.used).toBeGreaterThanOrEqual(kept?.used ?? 0);
});

test('the layer of a step that is forgotten goes at once', () => {
  const { open } = tempStore();
  const before = open();
  before.layers.publish(digest('layer'), before.layers.stage().directory, 7);
  before.steps.put({ ...step('a'), diffId: digest('layer') });
  before[Symbol.dispose]();
  const store = open();
  expect(store.collect().layers).toBe(0);
  store.steps.remove([digest('a')]);
  expect(store.collect()).toMatchObject({ layers: 1, bytes: 7 });
});

test('a store of an older bld gets what it lacks', () => {
  const { open, root } = tempStore();
  open().steps.put(step('a'));
  using db = new Database(join(root, 'bld.db'));
  db.exec(
    'ALTER TABLE steps DROP COLUMN used; DROP TABLE file_digests; DROP TABLE proofs; PRAGMA user_version = 1',
  );
  const store = open();
  const [kept] = store.steps.list();
  expect(kept?.used).toBe(kept?.created);
});

describe('cache mounts', () => {
  const name = digest('cache').slice(7);
  const made = (store: Store) => {
    const fresh = join(store.scratch(), 'cache');
    mkdirSync(fresh);
    writeFileSync(join(fresh, 'file'), 'x');
    return store.cacheMounts.publish(name, fresh);
  };

  test('are found, listed and removed; the first of twins stays', () => {
    const store = tempStore().open();
    expect(store.cacheMounts.find(name)).toBeNull();
    const directory = made(store);
    writeFileSync(join(directory, 'more'), 'y');
    expect(made(store)).toBe(directory);
    expect(readdirSync(directory).sort()).toEqual(['file', 'more']);
    store.cacheMounts.touch(name, 'npm');
    expect(store.cacheMounts.list()).toEqual([{ name, title: 'npm', directory, used: expect.any(Number) }]);
    expect(store.cacheMounts.remove(name)).toBe(true);
    expect(store.cacheMounts.list()).toEqual([]);
    expect(store.cacheMounts.find(name)).toBeNull();
  });

  test('stay while somebody uses them', () => {
    const { open } = tempStore();
    const [store, other] = [open(), open()];
    made(store);
    const held = other.leases.tryHold(`cache:${name}`, 'shared');
    expect(store.cacheMounts.remove(name)).toBe(false);
    held?.[Symbol.dispose]();
    expect(store.cacheMounts.remove(name)).toBe(true);
  });
});
