import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Fd, OverlayOptions } from '../../src/native/sys.ts';
import { addon, b, type Cases, create, fails, here, mountable, names, native } from './native-box.ts';

const { O_RDONLY, O_DIRECTORY } = fs.constants;

/** An overlay by each of the two ways. */
function overlays(options: Omit<OverlayOptions, 'userxattr'>, show: (mount: Fd) => void): void {
  const { lower, upper = null, work = null } = options;
  for (const legacy of [0, 1]) {
    const mount = addon.mountOverlay(lower, upper, work, Number(here.userxattr), legacy);
    try {
      show(mount);
    } finally {
      native.close(mount);
    }
  }
}

/** Undefined where the kernel refuses what each RUN needs as well: there is no other way. */
function tmpfs(options: Parameters<typeof native.mountTmpfs>[0]): Fd | undefined {
  try {
    return native.mountTmpfs(options);
  } catch (error) {
    assert.match(String(error), /E(?:PERM|NOSYS): .*fsopen tmpfs/);
    return undefined;
  }
}

/** What `sys()` promises about overlays and detached mounts. */
export const mountsCases: Cases = {
  'removeTree stops at a mount': ({ at, path }) => {
    if (!mountable) return 'no mounts in this mode';
    fs.mkdirSync(join(path, 'tree/sub/mounted'), { recursive: true });
    fs.mkdirSync(join(path, 'precious'));
    fs.writeFileSync(join(path, 'precious/file'), 'kept');
    const mount = native.cloneTree(join(path, 'precious'), false);
    native.attachMount(mount, join(path, 'tree/sub/mounted'));
    native.close(mount);
    fails('EBUSY', () => native.removeTree(at, b('tree')));
    assert.equal(fs.readFileSync(join(path, 'precious/file'), 'utf8'), 'kept');
    native.unmount(join(path, 'tree/sub/mounted'));
    fails('EINVAL', () => native.unmount(join(path, 'tree/sub/mounted')));
    native.removeTree(at, b('tree'));
    assert.deepEqual(names(at), ['precious']);
    return undefined;
  },

  'a tmpfs is empty, of the size and mode that were asked for, and nowhere to be seen': () => {
    if (!mountable) return 'no mounts in this mode';
    const mount = tmpfs({ size: 1 << 16, mode: 0o1750 });
    if (mount === undefined) return 'fsopen is refused';
    assert.deepEqual(names(mount), []);
    assert.equal(native.stat(mount, b(''))?.mode, 0o1750);
    create(mount, 'small', 'x');
    fails('ENOSPC', () => create(mount, 'large', 'x'.repeat(1 << 17)));
    native.close(mount);
    const open = native.mountTmpfs({ mode: 0o755 });
    create(open, 'large', 'x'.repeat(1 << 17));
    native.close(open);
    return undefined;
  },

  'an overlay takes writes in its upper directory': ({ path }) => {
    if (!mountable) return 'no mounts in this mode';
    for (const legacy of ['new', 'old']) {
      const base = join(path, legacy);
      for (const name of ['low', 'high', 'upper', 'work'])
        fs.mkdirSync(join(base, name), { recursive: true });
      fs.writeFileSync(join(base, 'low/both'), 'low');
      fs.writeFileSync(join(base, 'high/both'), 'high');
      fs.writeFileSync(join(base, 'low/gone'), '');
      const paths = [join(base, 'high'), join(base, 'low')];
      const [upper, work] = [join(base, 'upper'), join(base, 'work')];
      const mount = addon.mountOverlay(paths, upper, work, Number(here.userxattr), Number(legacy === 'old'));
      assert.equal(native.readFile(mount, b('both')).toString(), 'high');
      create(mount, 'new', 'new');
      native.unlink(mount, b('gone'));
      native.mkdir(mount, b('dir'), 0o755);
      native.rename(mount, b('dir'), mount, b('dir2'));
      assert.deepEqual(names(mount).sort(), ['both', 'dir2', 'new']);
      native.close(mount);
      assert.deepEqual(fs.readdirSync(join(base, 'upper')).sort(), ['dir2', 'gone', 'new']);
      assert.ok(fs.lstatSync(join(base, 'upper/gone')).isCharacterDevice());
      assert.doesNotMatch(fs.readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(base));
    }
    return undefined;
  },

  'an overlay without upper is read-only, hides what is deleted, and takes one layer alone': ({
    at,
    path,
  }) => {
    if (!mountable) return 'no mounts in this mode';
    for (const name of ['low', 'high']) fs.mkdirSync(join(path, name));
    for (const name of ['a', 'b']) create(native.openRoot(join(path, 'low')), name);
    const high = native.openRoot(join(path, 'high'));
    create(high, 'c');
    native.mknod(high, b('a'), 'char', 0, 0, 0); // a whiteout
    native.close(high);
    const cwd = process.cwd();
    overlays({ lower: [join(path, 'high'), join(path, 'low')] }, (mount) => {
      assert.deepEqual(names(mount).sort(), ['b', 'c']);
      fails('EROFS', () => create(mount, 'x'));
    });
    overlays({ lower: [join(path, 'high')] }, (mount) => {
      assert.deepEqual(names(mount), ['c'], 'a whiteout is nothing, also in the lowest layer');
      fails('EROFS', () => create(mount, 'x'));
    });
    assert.equal(process.cwd(), cwd);
    fails('ENOENT', () => native.mountOverlay({ lower: [join(path, 'none')], userxattr: here.userxattr }));
    assert.deepEqual(names(at).sort(), ['high', 'low']);
    return undefined;
  },

  'an overlay takes 300 layers with odd and long names': ({ path }) => {
    if (!mountable) return 'no mounts in this mode';
    const long = join(path, ':,\\"'.repeat(50));
    const lower = Array.from({ length: 300 }, (_, i) => join(long, `${i}:,\\ö`));
    for (const [i, layer] of lower.entries()) {
      fs.mkdirSync(layer, { recursive: true });
      fs.writeFileSync(join(layer, `file${i}`), '');
      fs.writeFileSync(join(layer, 'which'), String(i));
    }
    overlays({ lower }, (mount) => {
      assert.equal(names(mount).length, 301);
      assert.equal(native.readFile(mount, b('which')).toString(), '0');
    });
    return undefined;
  },

  'marks of a layer do not steer the mount': ({ path }) => {
    if (!mountable) return 'no mounts in this mode';
    const prefix = here.userxattr ? 'user.overlay.' : 'trusted.overlay.';
    for (const name of ['low/secret', 'high/dir']) fs.mkdirSync(join(path, name), { recursive: true });
    fs.writeFileSync(join(path, 'low/secret/key'), '');
    const high = native.openRoot(join(path, 'high'));
    native.setXattr(high, b('dir'), b(`${prefix}redirect`), b('/secret'));
    native.close(high);
    overlays({ lower: [join(path, 'high'), join(path, 'low')] }, (mount) => {
      fails('EPERM', () => native.openIn(mount, b('dir'), O_RDONLY | O_DIRECTORY));
      assert.ok(native.stat(mount, b('secret')));
    });
    return undefined;
  },

  'a detached mount is attached and taken off, in another namespace too': ({ path }) => {
    if (!mountable) return 'no mounts in this mode';
    fs.mkdirSync(join(path, 'source'));
    fs.mkdirSync(join(path, 'target'));
    fs.writeFileSync(join(path, 'source/file'), '');
    const mount = native.cloneTree(join(path, 'source'), true);
    native.attachMount(mount, join(path, 'target'));
    native.close(mount);
    assert.deepEqual(fs.readdirSync(join(path, 'target')), ['file']);
    native.unmount(join(path, 'target'));
    assert.deepEqual(fs.readdirSync(join(path, 'target')), []);
    const outside = here.hostMountNamespace;
    if (outside === undefined) return 'no way into the namespace outside';
    const target = join(path, 'target');
    fails('EINVAL', () => native.unmount(target, outside));
    const shown = native.cloneTree(join(path, 'source'), false);
    native.attachMount(shown, target, outside);
    native.close(shown);
    const parent = `/proc/${process.ppid}`;
    if (fs.readlinkSync(`${parent}/ns/mnt`) === fs.readlinkSync(`/proc/self/fd/${outside}`)) {
      assert.deepEqual(fs.readdirSync(`${parent}/root${target}`), ['file']);
    }
    native.unmount(target, outside);
    fails('EINVAL', () => native.unmount(target, outside));
    return undefined;
  },

  'attributes and modes work without /proc': ({ at, path }) => {
    if (!mountable) return 'no mounts in this mode';
    create(at, 'f');
    native.setXattr(at, b('f'), b('user.x'), b('1'));
    fs.mkdirSync(join(path, 'empty'));
    const cover = native.cloneTree(join(path, 'empty'), false);
    native.attachMount(cover, '/proc');
    native.close(cover);
    try {
      assert.deepEqual(native.getXattr(at, b('f'), 'user.x'), b('1'));
      native.setXattr(at, b('f'), b('user.y'), b('2'));
      native.removeXattr(at, b('f'), 'user.x');
      assert.deepEqual(native.getXattrs(at, b('f')), [{ name: b('user.y'), value: b('2') }]);
      assert.deepEqual(native.getXattrs(at, b('')), []);
      fails('ENOENT', () => native.getXattrs(at, b('absent')));
    } finally {
      native.unmount('/proc');
    }
    return undefined;
  },
};
