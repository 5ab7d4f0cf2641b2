import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
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
