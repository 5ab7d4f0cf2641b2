import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { idsOf, Package, SYSCALLS, seccompFilter, TELLING, type Told, told } from './native-package.ts';

const root = process.getuid?.() === 0;
const [tester, plain] = [idsOf('tester'), idsOf('plain')];
const box = new Package(TELLING);
afterAll(() => box[Symbol.dispose]());

const link = (path: string) => spawnSync('readlink', [path], { encoding: 'utf8' }).stdout.trim();

/** Root as in a container: no CAP_SYS_ADMIN. */
const WITHOUT_MOUNTS = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'];

describe.runIf(root)('root', () => {
  test('gets mounts of its own, and the way back', () => {
    const { own, mounts, host, uid, cwd, home, shared, children } = told(box);
    expect(own).toMatchObject({ _BLD_MODE: 'root', _BLD_UID: '0', _BLD_GID: '0' });
    expect(own).not.toHaveProperty('_BLD_REASON');
    expect(mounts).not.toBe(link('/proc/self/ns/mnt'));
    expect(host).toBe(link('/proc/self/ns/mnt'));
    expect({ uid, cwd, home, shared, children }).toEqual({
      uid: 0,
      cwd: '/tmp',
      home: '/tmp',
      shared: false,
      children: '',
    });
  });

  test('without CAP_SYS_ADMIN makes a user namespace with all ids that are mapped', () => {
    const { own, uids, mounts } = told(box, { through: WITHOUT_MOUNTS });
    expect(own).toMatchObject({ _BLD_MODE: 'userns', _BLD_UID: '0' });
    expect(own._BLD_REASON).toMatch(/root may not mount here/);
    expect(uids).toEqual(['0 0 4294967295']);
    expect(mounts).not.toBe(link('/proc/self/ns/mnt'));
  });

  test('of a namespace with one id has owners for one id', () => {
    const { own } = told(box, { through: ['unshare', '--user', '--map-root-user'] });
    expect(own).toMatchObject({ _BLD_MODE: 'single', _BLD_UID: '0' });
  });

  test.runIf(SYSCALLS)('is told when neither mounts nor namespaces are allowed', () => {
    const filter = SYSCALLS && seccompFilter([SYSCALLS.unshare], 1);
    const { own } = told(box, { filter });
    expect(own._BLD_MODE).toBe('none');
    expect(own._BLD_REASON).toMatch(/refused.*seccomp/);
    expect(own).not.toHaveProperty('_BLD_MNTNS');
  });

  test.runIf(SYSCALLS)('is told when unshare is allowed and mount is not', () => {
    const filter = SYSCALLS && seccompFilter([SYSCALLS.mount], 1);
    expect(told(box, { filter }).own._BLD_MODE).toBe('none');
  });
});

describe.runIf(root && tester)('a user with subordinate ids', () => {
  test('becomes root of a user namespace with them', () => {
    const found = told(box, tester);
    expect(found.own).toMatchObject({
      _BLD_MODE: 'userns',
      _BLD_UID: String(tester?.uid),
      _BLD_GID: String(tester?.gid),
    });
    expect(found.own).not.toHaveProperty('_BLD_REASON');
    expect(found.uids[0]).toBe(`0 ${tester?.uid} 1`);
    expect(found.uids[1]).toMatch(/^1 \d+ 65536$/);
    expect(found.gids).toHaveLength(found.uids.length);
    expect(found).toMatchObject({ uid: 0, gid: 0, cwd: '/tmp', shared: false, children: '' });
    expect(found.users).not.toBe(link('/proc/self/ns/user'));
  });

  test('inside of `bld unshare` does not nest, and may show its mounts there', () => {
    const outer = told(box, tester);
    const variable = `_BLD_UNSHARED=userns:${tester?.uid}:${tester?.gid}`;
    const nested = new Package(`
      const { spawnSync } = require('node:child_process');
      const { stdout } = spawnSync(${JSON.stringify(box.launcher)}, ['tell'], {
        env: { ...process.env, ${variable.replace('=', ": '")}' }, encoding: 'utf8',
      });
      const outer = require('node:fs').readlinkSync('/proc/self/ns/mnt');
      console.log(JSON.stringify({ ...JSON.parse(stdout), outer }));
    `);
    const found = told(nested, tester) as Told & { outer: string };
    nested[Symbol.dispose]();
    expect(found.own).toMatchObject({ _BLD_MODE: 'userns', _BLD_UID: String(tester?.uid) });
    expect(found.own).not.toHaveProperty('_BLD_UNSHARED');
    expect(found.uids).toEqual(outer.uids);
    expect(found.host).toBe(found.outer);
    expect(found.mounts).not.toBe(found.outer);
  });

  test('takes the single id where privilege is out of reach, and says why', () => {
    const ids = ['--reuid', `${tester?.uid}`, '--regid', `${tester?.gid}`, '--clear-groups'];
    const { own, uids } = told(box, { through: ['setpriv', ...ids, '--no-new-privs'] });
    expect(own._BLD_MODE).toBe('single');
    expect(own._BLD_REASON).toMatch(/no_new_privs/);
    expect(uids).toEqual([`0 ${tester?.uid} 1`]);
  });

  test('takes the single id without newuidmap, and is told the package', () => {
    const through = ['unshare', '--mount', 'sh', '-c', HIDE, 'sh', '/usr/bin/newuidmap', ...asUser(tester)];
    const { own } = told(box, { through });
    expect(own._BLD_MODE).toBe('single');
    expect(own._BLD_REASON).toMatch(/newuidmap was not found: install uidmap/);
  });

  test('is told the knob when user namespaces are switched off', () => {
    // The knob is each user namespace's own: one with all ids mapped is what unprivileged root gets.
    using inside = new Package(`
      require('node:fs').writeFileSync('/proc/sys/user/max_user_namespaces', '0');
      const { spawnSync } = require('node:child_process');
      const ids = { uid: ${tester?.uid}, gid: ${tester?.gid} };
      spawnSync(${JSON.stringify(box.launcher)}, ['tell'], { ...ids, stdio: 'inherit' });
    `);
    const { own, uid } = told(inside, { through: WITHOUT_MOUNTS });
    expect(own._BLD_MODE).toBe('none');
    expect(own._BLD_REASON).toMatch(/sudo sysctl -w user\.max_user_namespaces=\d+/);
    expect(uid).toBe(tester?.uid);
  });

  test('is not misled by its environment', () => {
    const env = { _BLD_UNSHARED: 'root:0:0', _BLD_MODE: 'root', _BLD_UID: '0', _BLD_MNTNS: '0', _BLD_X: '1' };
    const { own } = told(box, { ...tester, env });
    expect(own).toEqual({
      _BLD_MODE: 'userns',
      _BLD_UID: String(tester?.uid),
      _BLD_GID: String(tester?.gid),
    });
  });
});

/** Makes the file $1 a thing that cannot be executed, in a mount namespace of its own, and runs the rest. */
const HIDE = 'mount --bind /dev/null "$1"; shift; exec "$@"';

function asUser(ids: { uid: number; gid: number } | undefined): string[] {
  return ['setpriv', '--reuid', `${ids?.uid}`, '--regid', `${ids?.gid}`, '--clear-groups'];
}

/** The launcher as `plain`, with other bytes in /etc/subuid and /etc/subgid. */
function withGrants(text: string): Told {
  const directory = mkdtempSync(join(tmpdir(), 'bld-grants-'));
  try {
    const file = join(directory, 'grants');
    writeFileSync(file, text);
    const bind = 'mount --bind "$1" /etc/subuid; mount --bind "$1" /etc/subgid; shift; exec "$@"';
    return told(box, { through: ['unshare', '--mount', 'sh', '-c', bind, 'sh', file, ...asUser(plain)] });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.runIf(root && plain)('a user without subordinate ids', () => {
  test('gets a namespace with one id, and is told what to do', () => {
    const { own, uids, gids, uid } = told(box, plain);
    expect(own._BLD_MODE).toBe('single');
    expect(own._BLD_REASON).toMatch(/sudo usermod --add-subuids \d+-\d+ --add-subgids \d+-\d+ plain$/);
    expect({ uids, gids, uid }).toEqual({ uids: [`0 ${plain?.uid} 1`], gids: [`0 ${plain?.gid} 1`], uid: 0 });
  });

  test('is found by number, by all of its lines', () => {
    const { own, uids } = withGrants(`other:7:7\n${plain?.uid}:300000:1000\nplain:400000:2000\n`);
    expect(own).not.toHaveProperty('_BLD_REASON');
    expect(uids).toEqual([`0 ${plain?.uid} 1`, '1 300000 1000', '1001 400000 2000']);
  });

  test('survives doubled and broken lines', () => {
    const { own, uids } = withGrants(
      'plain:300000:1000\nplain\nplain:x:y\n:::\nplain:300000:1000\nplain:9:0\n',
    );
    expect(own).not.toHaveProperty('_BLD_REASON');
    expect(uids).toEqual([`0 ${plain?.uid} 1`, '1 300000 1000']);
  });

  test('falls back when the granted range cannot be mapped', () => {
    const { own, uids } = withGrants('plain:4294967290:65536\n');
    expect(own._BLD_MODE).toBe('single');
    expect(own._BLD_REASON).toMatch(
      /^a range of ids was refused: newuidmap|^a range of ids was refused: newgidmap/,
    );
    expect(uids).toHaveLength(1);
  });

  test.runIf(SYSCALLS)('has no namespaces where unshare is denied', () => {
    const filter = SYSCALLS && seccompFilter([SYSCALLS.unshare], 1);
    const { own } = told(box, { ...plain, filter });
    expect(own._BLD_MODE).toBe('none');
    expect(own._BLD_REASON).toMatch(/user namespaces are refused/);
  });
});
