import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { b, type Cases, create, fails, here, meta, names, native, O_PATH, statOf } from './native-box.ts';

const { O_NOFOLLOW } = fs.constants;

/** What `sys()` promises about names, types, owners, times. */
export const filesCases: Cases = {
  'a file is made with bytes, mode, owner and time in one call': ({ at, path }) => {
    const uid = here.owners === 'real' ? 33 : -1;
    const mtime = 4_102_444_800_123_456_789n; // after 2038
    native.createFile(at, b('f'), b('hello'), { mode: 0o6755, uid, gid: uid, mtime });
    const st = statOf(at, 'f');
    assert.deepEqual(
      { type: st.type, mode: st.mode, size: st.size, mtime: st.mtime, nlink: st.nlink },
      { type: 'file', mode: 0o6755, size: 5, mtime, nlink: 1 },
    );
    assert.equal(st.uid, Math.max(uid, 0));
    assert.equal(fs.readFileSync(join(path, 'f'), 'utf8'), 'hello');
    fails('EEXIST', () => create(at, 'f'));
    fs.symlinkSync('nowhere', join(path, 'link'));
    fails('EEXIST', () => create(at, 'link'));
    return undefined;
  },

  'nothing is left of a file that could not be finished': ({ at }) => {
    const uid = 4_294_967_294;
    if (here.mode === 'root' && !here.userxattr) return 'real root may give files to anybody';
    fails('EINVAL', () => native.createFile(at, b('f'), b('x'), { ...meta, uid, gid: uid }));
    assert.equal(native.stat(at, b('f')), null);
    return undefined;
  },

  'stat tells what lstat tells': ({ at, path }) => {
    create(at, 'file', 'text');
    native.mkdir(at, b('dir'), 0o750);
    native.symlink(b('file'), at, b('symlink'));
    native.mknod(at, b('fifo'), 'fifo', 0o600, 0, 0);
    native.mknod(at, b('socket'), 'socket', 0o600, 0, 0);
    for (const name of ['file', 'dir', 'symlink', 'fifo', 'socket']) {
      const found = statOf(at, name);
      const expected = fs.lstatSync(join(path, name), { bigint: true });
      assert.equal(found.type, name);
      assert.equal(found.mode, Number(expected.mode) & 0o7777);
      assert.equal(found.mtime, expected.mtimeNs);
      assert.equal(found.ctime, expected.ctimeNs);
      for (const key of ['uid', 'gid', 'size', 'dev', 'ino', 'nlink', 'blocks'] as const) {
        assert.equal(found[key], Number(expected[key]), key);
      }
    }
    assert.equal(native.stat(at, b('absent')), null);
    assert.equal(native.stat(at, b(''))?.type, 'dir');
    const link = native.openIn(at, b('symlink'), O_PATH | O_NOFOLLOW);
    assert.equal(native.stat(link, b(''))?.type, 'symlink');
    native.close(link);
    return undefined;
  },

  'devices have numbers': ({ at }) => {
    if (here.mode !== 'root' || here.userxattr) return 'only real root makes devices';
    native.mknod(at, b('null'), 'char', 0o666, 1, 3);
    native.mknod(at, b('disk'), 'block', 0o600, 259, 1048575);
    const [null_, disk] = [statOf(at, 'null'), statOf(at, 'disk')];
    assert.deepEqual([null_.type, null_.major, null_.minor], ['char', 1, 3]);
    assert.deepEqual([disk.type, disk.major, disk.minor], ['block', 259, 1048575]);
    return undefined;
  },

  'a directory of many entries is read whole': ({ memory }) => {
    const wanted = Array.from({ length: 3000 }, (_, i) => `${i}-${'n'.repeat(i % 200)}`);
    for (const name of wanted) create(memory, name);
    native.mkdir(memory, b('dir'), 0o755);
    const entries = native.readDir(memory);
    assert.deepEqual(entries.map(({ name }) => name.toString()).sort(), [...wanted, 'dir'].sort());
    assert.equal(entries.find(({ name }) => name.equals(b('dir')))?.type, 'dir');
    assert.equal(native.readDir(memory).length, entries.length, 'and again');
    return undefined;
  },

  'links and renames': ({ at }) => {
    create(at, 'a', 'A');
    native.symlink(b([0x2f, 0xff]), at, b('s'));
    assert.deepEqual(native.readLink(at, b('s')), b([0x2f, 0xff]));
    fails('EINVAL', () => native.readLink(at, b('a')));
    native.link(at, b('a'), at, b('a2'));
    native.link(at, b('s'), at, b('s2'));
    assert.equal(statOf(at, 'a2').ino, statOf(at, 'a').ino);
    assert.equal(statOf(at, 's2').type, 'symlink');
    create(at, 'c', 'C');
    fails('EEXIST', () => native.rename(at, b('a'), at, b('c'), 'noreplace'));
    native.rename(at, b('a'), at, b('c'), 'exchange');
    assert.equal(native.readFile(at, b('a')).toString(), 'C');
    native.rename(at, b('a'), at, b('c'));
    assert.equal(native.readFile(at, b('c')).toString(), 'C');
    fails('EISDIR', () => {
      native.mkdir(at, b('d'), 0o755);
      native.unlink(at, b('d'));
    });
    native.rmdir(at, b('d'));
    native.unlink(at, b('s'));
    assert.deepEqual(names(at).sort(), ['a2', 'c', 's2']);
    return undefined;
  },

  'owner, mode and time, also of symlinks and of the descriptor itself': ({ at, path }) => {
    create(at, 'f');
    native.symlink(b('f'), at, b('s'));
    const before = statOf(at, 'f');
    native.setTimes(at, b('s'), -1_500_000_000n);
    assert.equal(statOf(at, 's').mtime, -1_500_000_000n);
    assert.equal(statOf(at, 'f').mtime, before.mtime);
    native.chmod(at, b('f'), 0o4000);
    assert.equal(statOf(at, 'f').mode, 0o4000);
    fails('ENOTSUP', () => native.chmod(at, b('s'), 0o600));
    native.chmod(at, b(''), 0o711);
    assert.equal(fs.statSync(path).mode & 0o7777, 0o711);
    native.setTimes(at, b(''), 1_000_000_001n);
    assert.equal(native.stat(at, b(''))?.mtime, 1_000_000_001n);
    if (here.owners === 'xattr') {
      fails(here.mode === 'none' ? 'EPERM' : 'EINVAL', () => native.chown(at, b('f'), 33, 33));
      return undefined;
    }
    native.chown(at, b('s'), 33, -1);
    assert.deepEqual([statOf(at, 's').uid, statOf(at, 's').gid, statOf(at, 'f').uid], [33, 0, 0]);
    return undefined;
  },
};
