import assert from 'node:assert/strict';
import fs from 'node:fs';
import fc from 'fast-check';
import { b, type Cases, create, fails, here, native, statOf } from './native-box.ts';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;

/** What `sys()` promises about bytes, attributes, locks. */
export const contentCases: Cases = {
  'extended attributes of files, directories and the descriptor': ({ at }) => {
    create(at, 'f');
    native.mkdir(at, b('d'), 0o755);
    const large = Buffer.alloc(3000, 7);
    for (const name of ['f', 'd', '']) {
      assert.deepEqual(native.getXattrs(at, b(name)), []);
      native.setXattr(at, b(name), b('user.large'), large);
      native.setXattr(at, b(name), b('user.empty'), b(''));
      const found = new Map(native.getXattrs(at, b(name)).map((x) => [x.name.toString(), x.value]));
      assert.deepEqual(found.get('user.large'), large);
      assert.deepEqual(found.get('user.empty'), b(''));
      assert.equal(native.getXattr(at, b(name), 'user.none'), null);
      assert.deepEqual(native.getXattr(at, b(name), 'user.large'), large);
      native.removeXattr(at, b(name), 'user.large');
      assert.equal(native.getXattr(at, b(name), 'user.large'), null);
      fails('ENODATA', () => native.removeXattr(at, b(name), 'user.large'));
    }
    fails('ENOENT', () => native.getXattrs(at, b('absent')));
    return undefined;
  },

  'attributes of a symlink are its own': ({ at }) => {
    create(at, 'f');
    native.symlink(b('f'), at, b('s'));
    native.setXattr(at, b('f'), b('user.x'), b('1'));
    assert.deepEqual(native.getXattrs(at, b('s')), []);
    if (here.mode !== 'root' || here.userxattr) return 'only real root may mark symlinks';
    native.setXattr(at, b('s'), b('trusted.x'), b('2'));
    assert.deepEqual(native.getXattr(at, b('s'), 'trusted.x'), b('2'));
    assert.equal(native.getXattr(at, b('f'), 'trusted.x'), null);
    return undefined;
  },

  'readFile takes regular files alone': ({ at }) => {
    create(at, 'f', 'x'.repeat(100_000));
    native.symlink(b('f'), at, b('s'));
    native.mknod(at, b('p'), 'fifo', 0o600, 0, 0);
    native.mkdir(at, b('d'), 0o755);
    assert.equal(native.readFile(at, b('f')).length, 100_000);
    fails('ELOOP', () => native.readFile(at, b('s')));
    for (const name of ['p', 'd']) fails('EINVAL', () => native.readFile(at, b(name)));
    fails('ENOENT', () => native.readFile(at, b('absent')));
    return undefined;
  },

  'copies keep bytes and holes': ({ at }) => {
    const piece = fc.record({ hole: fc.nat(40_000), data: fc.integer({ min: 1, max: 30_000 }) });
    let turn = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), fc.nat(20_000), (pieces, tail) => {
        turn++;
        const from = native.openIn(at, b(`from${turn}`), O_RDWR | O_CREAT | O_EXCL);
        const to = native.openIn(at, b(`to${turn}`), O_RDWR | O_CREAT | O_EXCL);
        let end = 0;
        for (const { hole, data } of pieces) {
          fs.writeSync(from, Buffer.alloc(data, turn + hole), 0, data, end + hole);
          end += hole + data;
        }
        fs.ftruncateSync(from, end + tail);
        assert.equal(native.copyFile(from, to), end + tail);
        native.close(from);
        native.close(to);
        assert.ok(native.readFile(at, b(`from${turn}`)).equals(native.readFile(at, b(`to${turn}`))));
        assert.ok(statOf(at, `to${turn}`).blocks <= statOf(at, `from${turn}`).blocks + 8);
      }),
      { numRuns: 30 },
    );
    return undefined;
  },

  'copies start at the positions, and replace what lies there': ({ at }) => {
    create(at, 'from', '0123456789');
    create(at, 'to', 'abcdefghijklmnop');
    const from = native.openIn(at, b('from'), O_RDONLY);
    const to = native.openIn(at, b('to'), O_RDWR);
    fs.readSync(from, Buffer.alloc(4));
    fs.readSync(to, Buffer.alloc(2));
    assert.equal(native.copyFile(from, to), 6);
    assert.equal(native.readFile(at, b('to')).toString(), 'ab456789ijklmnop');
    assert.equal(native.copyFile(from, to), 0);
    fs.writeSync(to, '!');
    assert.equal(native.readFile(at, b('to')).toString(), 'ab456789!jklmnop');
    native.close(from);
    const status = fs.openSync('/proc/self/status', 'r');
    assert.ok(native.copyFile(status, to) > 100, 'a file that hides its size');
    fs.closeSync(status);
    native.close(to);
    return undefined;
  },

  'extents are the data of a file': ({ at }) => {
    const fd = native.openIn(at, b('f'), O_RDWR | O_CREAT);
    assert.deepEqual(native.extents(fd), []);
    fs.ftruncateSync(fd, 3 << 20);
    assert.deepEqual(native.extents(fd), []);
    fs.writeSync(fd, 'data', 1 << 20);
    assert.deepEqual(native.extents(fd), [{ start: 1 << 20, end: (1 << 20) + 4096 }]);
    native.close(fd);
    return undefined;
  },

  'locks are taken without waiting': ({ at }) => {
    create(at, 'lock');
    const [one, other] = [native.openIn(at, b('lock'), O_RDONLY), native.openIn(at, b('lock'), O_RDONLY)];
    assert.equal(native.tryLock(one, 'shared'), true);
    assert.equal(native.tryLock(other, 'shared'), true);
    assert.equal(native.tryLock(one, 'exclusive'), false);
    native.unlock(other);
    assert.equal(native.tryLock(one, 'exclusive'), true);
    assert.equal(native.tryLock(other, 'shared'), false);
    native.close(one);
    assert.equal(native.tryLock(other, 'shared'), true);
    native.close(other);
    native.syncfs(at);
    return undefined;
  },

  'the umask is told and set': () => {
    const before = native.umask(0o27);
    assert.equal(native.umask(before), 0o27);
    return undefined;
  },
};
