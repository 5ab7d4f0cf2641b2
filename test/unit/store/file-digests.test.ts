import { expect, test } from 'vitest';
import type { Stat } from '../../../src/native/sys.ts';
import { Database } from '../../../src/store/database.ts';
import { digest, tempStore } from './temp-store.ts';

const hour = 3_600_000_000_000n;
const now = () => BigInt(Date.now()) * 1_000_000n;
const file: Stat = {
  ...{ type: 'file', mode: 0o644, uid: 0, gid: 0, nlink: 1, major: 0, minor: 0, blocks: 8 },
  ...{ dev: 1, ino: 2, size: 3, mtime: now() - hour, ctime: now() - hour },
};

test('a digest is found for the file that looks the same, and for no other', () => {
  const { fileDigests } = tempStore().open();
  expect(fileDigests.get(file)).toBeNull();
  fileDigests.note(file, digest('a'));
  expect(fileDigests.get({ ...file, mode: 0o600, nlink: 2 })).toBe(digest('a'));
  const others = { dev: 9, ino: 9, size: 9, mtime: file.mtime + 1n, ctime: file.ctime + 1n };
  for (const [field, value] of Object.entries(others)) {
    expect(fileDigests.get({ ...file, [field]: value })).toBeNull();
  }
  fileDigests.note(file, digest('b'));
  expect(fileDigests.get(file)).toBe(digest('b'));
});

test('nothing is kept of a file that has just been changed', () => {
  const { fileDigests } = tempStore().open();
  for (const fresh of [{ mtime: now() }, { ctime: now() }, { ctime: now() + hour }]) {
    const young = { ...file, ...fresh };
    fileDigests.note(young, digest('a'));
    expect(fileDigests.get(young)).toBeNull();
  }
});

test('the newest ten thousand are kept', () => {
  const { open, root } = tempStore();
  const store = open();
  store.transaction(() => {
    for (let ino = 0; ino < 10_005; ino++) store.fileDigests.note({ ...file, ino }, digest('a'));
  });
  using db = new Database(`${root}/bld.db`);
  expect(db.get('SELECT count(*) AS kept, min(id) AS first FROM file_digests')).toEqual({
    kept: 10_000,
    first: 6,
  });
});

test('another start of the machine forgets them', () => {
  const { open } = tempStore();
  open({ boot: 'one' }).fileDigests.note(file, digest('a'));
  expect(open({ boot: 'one' }).fileDigests.get(file)).toBe(digest('a'));
  expect(open({ boot: 'two' }).fileDigests.get(file)).toBeNull();
});
