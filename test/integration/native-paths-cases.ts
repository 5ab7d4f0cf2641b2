import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Fd } from '../../src/native/sys.ts';
import { addon, b, type Cases, create, fails, meta, names, native, O_PATH, statOf } from './native-box.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = fs.constants;

/** What `sys()` promises about resolution and removal. */
export const pathsCases: Cases = {
  'names are bytes, and one component': ({ at }) => {
    const odd = b([0xff, 0xfe, 0x0a, 0x20]);
    native.createFile(at, odd, b(''), meta);
    assert.deepEqual(native.readDir(at), [{ name: odd, type: 'file' }]);
    assert.deepEqual(native.readFile(at, odd), b(''));
    native.mkdir(at, b('d'), 0o755);
    for (const name of ['d/x', '/etc', '..', '../x', 'x/']) {
      fails('EINVAL', () => native.stat(at, b(name)));
      fails('EINVAL', () => native.removeTree(at, b(name)));
      fails('EINVAL', () => create(at, name));
    }
    fails('EINVAL', () => native.stat(at, b('a\0b')));
    fails('ENAMETOOLONG', () => native.mkdir(at, b('x'.repeat(256)), 0o755));
    fails('ENAMETOOLONG', () => native.openIn(at, b('x'.repeat(5000)), 0));
    fails('ENAMETOOLONG', () => native.openRoot(`/${'x'.repeat(5000)}`));
    return undefined;
  },

  'errors look like those of Node': ({ at }) => {
    const thrown = (() => {
      try {
        return native.openIn(at, b('etc/x'), O_RDONLY);
      } catch (error) {
        return error as NodeJS.ErrnoException;
      }
    })();
    assert.ok(thrown instanceof Error);
    assert.match(thrown.message, /^ENOENT: no such file or directory, openat2? 'etc\/x'$/);
    assert.equal(thrown.code, 'ENOENT');
    assert.equal(thrown.errno, -2);
    assert.match(thrown.syscall ?? '', /^openat2?$/);
    fails('EBADF', () => native.readDir(9999));
    fails('EINVAL', () => native.stat('x' as unknown as Fd, b('x')));
    fails('EINVAL', () => native.stat(at, 'x' as unknown as Buffer));
    return undefined;
  },

  'paths stay below their root': ({ at, path }) => {
    fs.mkdirSync(join(path, 'inside/etc'), { recursive: true });
    fs.writeFileSync(join(path, 'inside/etc/passwd'), 'mine');
    fs.writeFileSync(join(path, 'secret'), 'secret');
    fs.symlinkSync('/etc/passwd', join(path, 'inside/absolute'));
    fs.symlinkSync('../../../../secret', join(path, 'inside/up'));
    fs.symlinkSync('/new', join(path, 'inside/dangling'));
    const root = native.openRoot(join(path, 'inside'));
    for (const open of [native.openIn, addon.openInWalk]) {
      for (const way of ['absolute', '../etc/passwd', '/../../etc/passwd', 'etc/../../etc/passwd']) {
        const fd = open(root, b(way), O_RDONLY, 0);
        assert.equal(fs.readFileSync(fd, 'utf8'), 'mine');
        native.close(fd);
      }
      fails('ENOENT', () => open(root, b('up'), O_RDONLY, 0));
      fails('ENOENT', () => open(root, b('../secret'), O_RDONLY, 0));
      native.close(open(root, b('dangling'), O_WRONLY | O_CREAT, 0o640));
      assert.equal(statOf(root, 'new').mode, 0o640);
      fails('EEXIST', () => open(root, b('dangling'), O_WRONLY | O_CREAT | O_EXCL, 0o640));
      native.unlink(root, b('new'));
    }
    native.close(root);
    assert.deepEqual(names(at).sort(), ['inside', 'secret']);
    return undefined;
  },

  'the walk finds what openat2 finds': ({ memory, memoryPath }) => {
    const word = fc.constantFrom('a', 'b', 'c', 'd', '.', '..', '', 'file', 'link');
    const way = fc.array(word, { minLength: 1, maxLength: 7 }).map((words) => words.join('/'));
    const flags = fc.constantFrom(
      O_RDONLY,
      O_PATH,
      O_PATH | O_NOFOLLOW,
      O_RDONLY | O_NOFOLLOW,
      O_RDONLY | O_DIRECTORY,
      O_PATH | O_DIRECTORY | O_NOFOLLOW,
      O_WRONLY | O_CREAT | O_EXCL,
      O_WRONLY | O_CREAT,
    );
    const link = fc.record({ at: way, to: way.filter((text) => text !== '') });
    const standing = ['file', 'a/b/file'];
    let turn = 0;
    const outcome = (open: typeof addon.openInWalk, root: Fd, path: string, flag: number) => {
      try {
        const fd = open(root, b(path), flag, 0o600);
        const { ino, dev } = statOf(fd, '');
        const found = fs.readlinkSync(`/proc/self/fd/${fd}`);
        native.close(fd);
        assert.ok(`${found}/`.startsWith(`${memoryPath}/${turn}/`), found);
        // what was made goes again, so that the other way finds the same
        const made =
          flag & O_CREAT && !standing.map((name) => `${memoryPath}/${turn}/${name}`).includes(found);
        if (made) fs.unlinkSync(found);
        return made ? found : `${dev}:${ino}`;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    };
    fc.assert(
      fc.property(
        fc.array(link, { maxLength: 6 }),
        fc.array(fc.tuple(way, flags), { minLength: 5, maxLength: 15 }),
        (links, tries) => {
          turn++;
          const base = join(memoryPath, String(turn));
          fs.mkdirSync(join(base, 'a/b/c'), { recursive: true });
          fs.mkdirSync(join(base, 'd/a'), { recursive: true });
          for (const name of standing) fs.writeFileSync(join(base, name), '');
          for (const { at, to } of links) {
            try {
              fs.symlinkSync(to, join(base, 'a', join('/', at), 'link'));
            } catch {
              // no such directory, or taken: fewer links
            }
          }
          const root = native.openRoot(base);
          try {
            for (const [path, flag] of tries) {
              assert.equal(
                outcome(addon.openInWalk, root, path, flag),
                outcome(native.openIn as typeof addon.openInWalk, root, path, flag),
                `${path} with ${flag.toString(8)}`,
              );
            }
          } finally {
            native.close(root);
            native.removeTree(memory, b(String(turn)));
          }
        },
      ),
      { numRuns: 150 },
    );
    return undefined;
  },

  'forty links are followed, not more': ({ at }) => {
    create(at, 'l0');
    for (let i = 1; i <= 41; i++) native.symlink(b(`l${i - 1}`), at, b(`l${i}`));
    for (const open of [native.openIn, addon.openInWalk]) {
      native.close(open(at, b('l40'), O_RDONLY, 0));
      fails('ELOOP', () => open(at, b('l41'), O_RDONLY, 0));
    }
    return undefined;
  },

  'removeTree copes with depth, odd names and closed directories': ({ memory, memoryPath }) => {
    native.removeTree(memory, b('absent'));
    create(memory, 'file');
    native.removeTree(memory, b('file'));
    native.mkdir(memory, b('tree'), 0o755);
    fs.writeFileSync(join(memoryPath, 'kept'), 'kept');
    let dir = native.openIn(memory, b('tree'), O_RDONLY | O_DIRECTORY);
    for (let depth = 0; depth < 10_000; depth++) {
      native.mkdir(dir, b('d'), 0o700);
      if (depth % 50 === 0) {
        native.createFile(dir, b([0x80, 0xff]), b(''), { ...meta, mode: 0 });
        native.symlink(b('../kept'), dir, b('link'));
        native.symlink(b(memoryPath), dir, b('out'));
      }
      const next = native.openIn(dir, b('d'), O_RDONLY | O_DIRECTORY);
      if (depth % 700 === 0) native.chmod(dir, b(''), 0);
      native.close(dir);
      dir = next;
    }
    native.close(dir);
    native.removeTree(memory, b('tree'));
    assert.deepEqual(names(memory), ['kept']);
    return undefined;
  },
};
