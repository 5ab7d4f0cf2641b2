import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digest, imageOf, tempStore } from './temp-store.ts';

const error = (code: string, hint?: RegExp) =>
  expect.objectContaining({ code, ...(hint && { hint: expect.stringMatching(hint) }) });

describe('openStore', () => {
  test('makes a store for its owner alone', () => {
    const { open, root, options } = tempStore();
    const store = open();
    expect(store).toMatchObject({ root, runroot: options.runroot });
    expect([root, options.runroot].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  });

  test('refuses a directory that others can write to', () => {
    const { open, root } = tempStore();
    mkdirSync(root);
    chmodSync(root, 0o777);
    expect(() => open()).toThrow(error('E_STORE', /chmod/));
  });

  test('refuses a run directory that others can write to', () => {
    const { open, options } = tempStore();
    mkdirSync(options.runroot);
    chmodSync(options.runroot, 0o770);
    expect(() => open()).toThrow(error('E_STORE'));
  });

  test.skipIf(process.geteuid?.() !== 0)(
    'refuses a run directory behind a link of somebody else (needs root, to make one)',
    () => {
      const { open, options } = tempStore();
      symlinkSync('/tmp', options.runroot);
      lchownSync(options.runroot, 4321, 4321);
      expect(() => open()).toThrow(error('E_STORE'));
    },
  );

  test('refuses a directory in use for something else, and a file', () => {
    const { open, root } = tempStore();
    mkdirSync(join(root, 'photos'), { recursive: true });
    expect(() => open()).toThrow(/photos/);
    expect(existsSync(join(root, 'bld.db'))).toBe(false);
    rmSync(root, { recursive: true });
    writeFileSync(root, '');
    expect(() => open()).toThrow(error('E_STORE'));
  });

  test('refuses another kind, and says which', () => {
    const { open } = tempStore();
    open({ kind: { xattrs: 'trusted', owners: 'real' } });
    expect(() => open({ kind: { xattrs: 'user', owners: 'xattr' } })).toThrow(
      /real owners and overlay marks in trusted.*, here bld needs owners in extended attributes/,
    );
  });

  test.for([
    ['empty', (path: string) => truncateSync(path, 0)],
    ['cut short', (path: string) => truncateSync(path, 5000)],
    ['not a database', (path: string) => writeFileSync(path, 'x'.repeat(8192))],
    ['missing', (path: string) => rmSync(path)],
  ] as const)('an index that is %s is E_STORE with the way out', async ([, damage]) => {
    const { open, root } = tempStore();
    const store = open();
    await store.images.add(imageOf('a'));
    store[Symbol.dispose]();
    damage(join(root, 'bld.db'));
    expect(() => {
      open().images.list();
    }).toThrow(error('E_STORE', /bld check --repair/));
  });
});

describe('after a reboot', () => {
  test('what was synced stays, the rest is gone', async () => {
    const { open } = tempStore();
    const before = open({ boot: 'one' });
    await before.images.add(imageOf('kept', { names: ['k:1'] }));
    const synced = await before.blobs.put(Buffer.from('synced'));
    before.layers.publish(digest('synced'), before.layers.stage().directory, 1);
    before.steps.put({ key: digest('synced'), diffId: digest('synced'), result: 1, inputs: [], site: 's' });
    before.barrier();
    const torn = await before.blobs.put(Buffer.from('torn'));
    before.layers.publish(digest('torn'), before.layers.stage().directory, 1);
    before.steps.put({ key: digest('torn'), diffId: null, result: 1, inputs: [], site: 's' });
    const container = before.containers.create(
      { imageId: null, imageName: '', layers: [], state: null },
      { base: 'c', unique: false },
    );
    before[Symbol.dispose]();

    using same = open({ boot: 'one' });
    expect(same.blobs.has(torn.digest)).toBe(true);
    same[Symbol.dispose]();

    using after = open({ boot: 'two' });
    expect(after.images.find('k:1')).not.toBeNull();
    expect([synced, torn].map(({ digest }) => after.blobs.has(digest))).toEqual([true, false]);
    expect(['synced', 'torn'].map((name) => after.layers.path(digest(name)) !== null)).toEqual([true, false]);
    expect(['synced', 'torn'].map((name) => after.steps.get(digest(name)) !== null)).toEqual([true, false]);
    expect(after.containers.find(container.id)).not.toBeNull();
    expect(after.collect({ grace: 0 })).toMatchObject({ blobs: 1, layers: 0 });
  });
});

describe('transaction', () => {
  test('an error anywhere undoes the whole', async () => {
    const store = tempStore().open();
    const { id } = await store.images.add(imageOf('a'));
    const swallowing = () =>
      store.transaction(() => {
        store.images.tag(id, ['a:1']);
        try {
          store.images.tag(digest('nobody'), ['a:2']);
        } catch {
          // the whole must not go on
        }
      });
    expect(swallowing).toThrow('internal');
    expect(store.images.get(id)?.names).toEqual([]);
  });

  test('nested ones join', async () => {
    const store = tempStore().open();
    const { id } = await store.images.add(imageOf('a'));
    expect(
      store.transaction(() => {
        store.transaction(() => store.images.tag(id, ['a:1']));
        return store.images.find('a:1')?.id;
      }),
    ).toBe(id);
    expect(() => store.transaction(() => store.barrier())).toThrow('internal');
  });
});
