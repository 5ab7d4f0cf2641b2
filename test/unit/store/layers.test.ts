import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digest, tempStore } from './temp-store.ts';

const LAYER = digest('layer');

describe('publish', () => {
  test('makes a staged directory the layer', () => {
    const store = tempStore().open();
    expect(store.layers.path(LAYER)).toBeNull();
    const { directory } = store.layers.stage();
    writeFileSync(join(directory, 'diff/file'), 'x');
    writeFileSync(join(directory, 'owners'), 'side file');
    const path = store.layers.publish(LAYER, directory, 10);
    expect(store.layers.path(LAYER)).toBe(path);
    expect(readdirSync(join(path, '..')).sort()).toEqual(['diff', 'owners']);
    expect(existsSync(directory)).toBe(false);
  });

  test('a twin that came first wins', () => {
    const store = tempStore().open();
    for (const name of ['first', 'second']) {
      const { directory } = store.layers.stage();
      writeFileSync(join(directory, 'diff', name), '');
      store.layers.publish(LAYER, directory, 1);
    }
    expect(readdirSync(store.layers.path(LAYER) ?? '')).toEqual(['first']);
  });

  test('an unrecorded directory of a killed process gives way', () => {
    const { open, root } = tempStore();
    const store = open();
    const { directory } = store.layers.stage();
    const path = store.layers.publish(LAYER, directory, 1);
    store.steps.remove([]);
    const other = digest('other');
    const stale = store.layers.stage();
    writeFileSync(join(stale.directory, 'diff/stale'), '');
    store.layers.publish(other, stale.directory, 1);
    store[Symbol.dispose]();
    const again = open({ boot: 'another' }); // nothing was synced: both records go, the directories stay
    expect(again.layers.path(LAYER)).toBeNull();
    expect(existsSync(path)).toBe(true);
    again.layers.publish(other, again.layers.stage().directory, 1);
    expect(readdirSync(join(root, 'layers', other.slice(7), 'diff'))).toEqual([]);
  });

  test('is undone with its transaction', () => {
    const store = tempStore().open();
    const { directory } = store.layers.stage();
    const failing = () =>
      store.transaction(() => {
        store.layers.publish(LAYER, directory, 1);
        throw new Error('later');
      });
    expect(failing).toThrow('later');
    expect(store.layers.path(LAYER)).toBeNull();
    expect(existsSync(join(directory, 'diff'))).toBe(true);
  });
});

describe('ensure', () => {
  test('makes a layer once, for all who want it', async () => {
    const { open } = tempStore();
    const stores = [open(), open(), open()];
    let made = 0;
    const paths = await Promise.all(
      stores.map((store) =>
        store.layers.ensure(LAYER, async (directory) => {
          made++;
          await new Promise((done) => setTimeout(done, 30));
          writeFileSync(join(directory, 'diff/file'), '');
          return { size: 1 };
        }),
      ),
    );
    expect(made).toBe(1);
    expect(new Set(paths).size).toBe(1);
  });

  test('the next one takes over when the first fails', async () => {
    const { open } = tempStore();
    const [one, two] = [open(), open()];
    const failing = one.layers.ensure(LAYER, async () => {
      await new Promise((done) => setTimeout(done, 20));
      throw new Error('no bytes');
    });
    const path = two.layers.ensure(LAYER, async () => ({ size: 1 }));
    await expect(failing).rejects.toThrow('no bytes');
    expect(await path).toBe(two.layers.path(LAYER));
  });
});

test('blobs: those that are still there', async () => {
  const store = tempStore().open();
  const blob = await store.blobs.put(Buffer.from('bytes'), 'tar+gzip');
  store.layers.addBlob(LAYER, blob);
  store.layers.addBlob(LAYER, { ...blob, digest: digest('never came') });
  expect(store.layers.blobs(LAYER)).toEqual([blob]);
});
