import { chmodSync, existsSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContainerRecord } from '../../../src/store/types.ts';
import { digest, tempStore } from './temp-store.ts';

const error = (code: string) => expect.objectContaining({ code });
const blank = { imageId: null, imageName: 'scratch', layers: [], state: { cmd: ['a'] } };
const modeOf = (path: string) => statSync(path).mode & 0o7777;

describe('create', () => {
  test('numbers names that are taken', () => {
    const store = tempStore().open();
    const names = [1, 2, 3].map(() => store.containers.create(blank, { base: 'c', unique: true }).name);
    expect(names).toEqual(['c', 'c-1', 'c-2']);
    store.containers.remove(store.containers.find('c-1')?.id ?? '');
    expect(store.containers.create(blank, { base: 'c', unique: true }).name).toBe('c-1');
    expect(() => store.containers.create(blank, { base: 'c', unique: false })).toThrow(
      /^the container name "c" is already in use by [0-9a-f]{64}\. You have to remove that container/,
    );
  });

  test('makes directories with exact modes under any umask', () => {
    const before = process.umask(0o077);
    try {
      const store = tempStore().open();
      const { id } = store.containers.create(blank, { base: 'c', unique: false });
      const { directory, upper, work } = store.containers.directories(id);
      expect([directory, upper, work].map(modeOf)).toEqual([0o700, 0o755, 0o700]);
    } finally {
      process.umask(before);
    }
  });

  test('refuses names that are paths, options or worse', () => {
    const store = tempStore().open();
    const bad = ['', '..', '.x', 'a/b', '-rf', 'a\n', 'a b', 'é', 'a'.repeat(256)];
    for (const base of bad) {
      expect(() => store.containers.create(blank, { base, unique: true }), base).toThrow(error('E_USAGE'));
    }
    fc.assert(
      fc.property(fc.string(), (base) => {
        fc.pre(!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(base) || base.endsWith('\n'));
        expect(() => store.containers.update(digest('x'), { name: base })).toThrow(error('E_USAGE'));
      }),
    );
  });
});

test('find: name, id, prefix; update and rename', () => {
  const store = tempStore().open();
  const one = store.containers.create(blank, { base: 'one', unique: false });
  const two = store.containers.create(blank, { base: 'two', unique: false });
  expect(store.containers.find('one')).toEqual(one);
  expect(store.containers.find(two.id)).toEqual(two);
  expect(store.containers.find(two.id.slice(0, 12))).toEqual(two);
  expect(store.containers.find('nobody')).toBeNull();
  store.containers.update(one.id, { name: 'three', layers: [digest('l')], state: { cmd: [] } });
  expect(store.containers.find('three')).toEqual({
    ...one,
    name: 'three',
    layers: [digest('l')],
    state: { cmd: [] },
  });
  expect(() => store.containers.update(one.id, { name: 'two' })).toThrow(error('E_EXISTS'));
  expect(() => store.containers.update('ff', { state: 1 })).toThrow(error('E_NOT_FOUND'));
  expect(store.containers.list().map(({ name }) => name)).toEqual(expect.arrayContaining(['three', 'two']));
});

test('remove takes the directory', () => {
  const store = tempStore().open();
  const { id } = store.containers.create(blank, { base: 'c', unique: false });
  const { directory, upper } = store.containers.directories(id);
  writeFileSync(join(upper, 'file'), '');
  store.containers.remove(id);
  expect(existsSync(directory)).toBe(false);
  expect(store.containers.find(id)).toBeNull();
});

describe('freeze', () => {
  const filled = () => {
    const temp = tempStore();
    const store = temp.open();
    const { id } = store.containers.create(
      { ...blank, layers: [digest('base')] },
      { base: 'c', unique: false },
    );
    const { upper } = store.containers.directories(id);
    writeFileSync(join(upper, 'file'), 'x');
    return { temp, store, id, upper };
  };
  const frozen = { diffId: digest('l'), size: 7, change: (state: unknown) => ({ step: 1, was: state }) };
  const after = { layers: [digest('base'), digest('l')], state: { step: 1, was: blank.state } };

  test('the changes become the layer, the container stands on it', () => {
    const { store, id, upper } = filled();
    store.containers.freeze(id, frozen);
    expect(readdirSync(store.layers.path(digest('l')) ?? '')).toEqual(['file']);
    expect(store.containers.find(id)).toMatchObject(after);
    expect(readdirSync(upper)).toEqual([]);
    expect(readdirSync(join(upper, '..')).sort()).toEqual(['container.json', 'upper', 'work']);
  });

  test('a change of the state that came between is kept', () => {
    const { temp, store, id } = filled();
    using other = temp.open();
    let calls = 0;
    const change = (state: unknown) => {
      if (calls++ === 0) other.containers.update(id, { state: { ...Object(state), late: true } });
      return { ...Object(state), frozen: true };
    };
    store.containers.freeze(id, { ...frozen, change });
    expect(store.containers.find(id)?.state).toMatchObject({ late: true, frozen: true });
  });

  test('a twin of the layer was there first', () => {
    const { store, id, upper } = filled();
    store.layers.publish(digest('l'), store.layers.stage().directory, 1);
    store.containers.freeze(id, frozen);
    expect(readdirSync(store.layers.path(digest('l')) ?? '')).toEqual([]);
    expect(readdirSync(upper)).toEqual([]);
    expect(store.containers.find(id)?.layers).toEqual(after.layers);
  });

  test('killed between the move and the record: one that collects meanwhile keeps the layer', () => {
    const { temp, store, id, upper } = filled();
    using other = temp.open();
    other.collect({ grace: 0 }); // it has seen that the first one lives
    const { ino } = statSync(upper);
    const { directory } = store.containers.takeUpper(id);
    const layer = join(temp.root, 'layers', digest('l').slice(7));
    renameSync(directory, layer);
    writeFileSync(join(upper, '../frozen.json'), JSON.stringify({ ...frozen, ...after, inode: ino }));
    other.collect({ grace: 0 });
    expect(readdirSync(join(layer, 'diff'))).toEqual(['file']);
  });

  test('killed between the move and the record: the next process finishes it', () => {
    const { temp, store, id, upper } = filled();
    const { ino } = statSync(upper);
    const { directory } = store.containers.takeUpper(id);
    renameSync(directory, join(temp.root, 'layers', digest('l').slice(7)));
    writeFileSync(join(upper, '../frozen.json'), JSON.stringify({ ...frozen, ...after, inode: ino }));
    store[Symbol.dispose](); // for the container, an end like any other
    using next = temp.open();
    expect(next.containers.find(id)).toMatchObject(after);
    expect(readdirSync(next.layers.path(digest('l')) ?? '')).toEqual(['file']);
    expect(readdirSync(join(upper, '..')).sort()).toEqual(['container.json', 'upper', 'work']);
  });
});

describe('takeUpper', () => {
  const filled = (temp = tempStore()) => {
    const store = temp.open();
    const { id } = store.containers.create(blank, { base: 'c', unique: false });
    const { upper } = store.containers.directories(id);
    writeFileSync(join(upper, 'file'), 'x');
    chmodSync(upper, 0o1751);
    return { temp, store, id, upper };
  };

  test('leaves an empty one of the same mode', () => {
    const { store, id, upper } = filled();
    const { directory } = store.containers.takeUpper(id);
    expect(readdirSync(join(directory, 'diff'))).toEqual(['file']);
    expect(modeOf(join(directory, 'diff'))).toBe(0o1751);
    expect(readdirSync(upper)).toEqual([]);
    expect(modeOf(upper)).toBe(0o1751);
    expect(readdirSync(store.layers.publish(digest('l'), directory, 1))).toEqual(['file']);
    expect(readdirSync(join(upper, '..')).sort()).toEqual(['container.json', 'upper', 'work']);
  });

  test('putBack undoes it', () => {
    const { store, id, upper } = filled();
    store.containers.takeUpper(id).putBack();
    expect(readdirSync(upper)).toEqual(['file']);
  });

  test('a process that ends before it published gives the changes back', () => {
    const { temp, store, id, upper } = filled();
    store.containers.takeUpper(id);
    store[Symbol.dispose]();
    expect(readdirSync(upper)).toEqual(['file']);
    expect(temp.open().containers.find(id)).not.toBeNull();
  });

  test('published in a transaction that fails: the changes can be put back', () => {
    const { store, id, upper } = filled();
    const taken = store.containers.takeUpper(id);
    const failing = () =>
      store.transaction(() => {
        store.layers.publish(digest('l'), taken.directory, 1);
        store.containers.update(id, { layers: [digest('l')] });
        throw new Error('disk full');
      });
    expect(failing).toThrow('disk full');
    taken.putBack();
    expect(readdirSync(upper)).toEqual(['file']);
    expect((store.containers.find(id) as ContainerRecord).layers).toEqual([]);
  });
});

describe('transient containers', () => {
  const build = { base: 'build', unique: true, transient: true };

  test('go with their process; others and kept ones stay', () => {
    const temp = tempStore();
    const [store, other] = [temp.open(), temp.open()];
    const gone = store.containers.create(blank, build);
    const kept = store.containers.create(blank, build);
    const plain = store.containers.create(blank, { base: 'plain', unique: false });
    store.containers.keep(kept.id);
    expect(other.containers.list().map(({ id }) => id)).toEqual([gone.id, kept.id, plain.id]);
    store[Symbol.dispose]();
    expect(other.containers.list().map(({ id }) => id)).toEqual([kept.id, plain.id]);
    expect(existsSync(other.containers.directories(gone.id).directory)).toBe(false);
    expect(existsSync(other.containers.directories(kept.id).upper)).toBe(true);
  });

  test('one that somebody else works on is left to him', () => {
    const temp = tempStore();
    const [store, other] = [temp.open(), temp.open()];
    const { id } = store.containers.create(blank, build);
    const lease = other.leases.tryHold(`container:${id}`, 'exclusive');
    store[Symbol.dispose]();
    expect(other.containers.find(id)).not.toBeNull();
    lease?.[Symbol.dispose]();
  });

  test('a removed one leaves nothing to do', () => {
    const store = tempStore().open();
    const { id } = store.containers.create(blank, build);
    store.containers.remove(id);
    store[Symbol.dispose]();
  });
});
