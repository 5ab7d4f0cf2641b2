import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fd, sys } from '../../../src/native/sys.ts';
import { lookupUser } from '../../../src/runtime/users.ts';

const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:w:/srv/www:/bin/false\n\n# junk\nnohome:x:40:41:::\nodd:x:x:1::/:\n';
const GROUP = 'root:x:0:\nwww:x:34:\nvideo:x:44:www,other\ndisk:x:6:other\naudio:x:29:www';

describe('lookupUser', () => {
  let root: string;
  let fd: Fd;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'bld-users-'));
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    writeFileSync(join(root, 'etc/group'), GROUP);
    fd = sys().openRoot(root);
  });
  afterEach(() => {
    sys().close(fd);
    rmSync(root, { recursive: true });
  });

  test.each([
    ['', { uid: 0, gid: 0, groups: [], home: '/root' }],
    ['www', { uid: 33, gid: 34, groups: [44, 29], home: '/srv/www' }],
    ['33', { uid: 33, gid: 34, groups: [44, 29], home: '/srv/www' }],
    ['www:disk', { uid: 33, gid: 6, groups: [44, 29], home: '/srv/www' }],
    ['33:7', { uid: 33, gid: 7, groups: [44, 29], home: '/srv/www' }],
    ['1234', { uid: 1234, gid: 0, groups: [], home: '/' }],
    ['1234:5', { uid: 1234, gid: 5, groups: [], home: '/' }],
    ['nohome', { uid: 40, gid: 41, groups: [], home: '/' }],
    ['4294967294', { uid: 4294967294, gid: 0, groups: [], home: '/' }],
  ])('%j', (text, wanted) => {
    expect(lookupUser(fd, text)).toEqual(wanted);
  });

  test.each([
    ['nobody', 'determining run uid: user: unknown user error looking up user "nobody"'],
    ['www:nogroup', 'determining run uid: user: unknown group error looking up group "nogroup"'],
    ['www:34:5', 'determining run uid: user: unknown group error looking up group "34:5"'],
    ['4294967295', 'determining run uid: user id 4294967295 is out of range'],
    ['4294967296', 'determining run uid: user id 4294967296 is out of range'],
    ['0:99999999999999999999', 'determining run uid: group id'],
    ['-1', 'unknown user'],
    ['odd', 'has no numbers for user "odd"'],
  ])('%j is refused', (text, message) => {
    expect(() => lookupUser(fd, text)).toThrow(
      expect.objectContaining({ code: 'E_RUN', exitCode: 125, message: expect.stringContaining(message) }),
    );
  });

  test('without accounts, numbers do', () => {
    for (const name of ['passwd', 'group']) rmSync(join(root, 'etc', name));
    expect(lookupUser(fd, '5:6')).toEqual({ uid: 5, gid: 6, groups: [], home: '/' });
    expect(lookupUser(fd, 'root:root')).toEqual({ uid: 0, gid: 0, groups: [], home: '/root' });
    expect(() => lookupUser(fd, 'www')).toThrow('unknown user');
  });

  test('accounts are read inside the root, from regular files of a sane size', () => {
    const passwd = join(root, 'etc/passwd');
    rmSync(passwd);
    symlinkSync('../../../../../../etc/passwd', passwd);
    expect(lookupUser(fd, '1').home).toBe('/');
    rmSync(passwd);
    execFileSync('mkfifo', [passwd]);
    expect(() => lookupUser(fd, '1')).toThrow('not a regular file');
    rmSync(passwd);
    writeFileSync(passwd, '');
    truncateSync(passwd, 11 << 20);
    expect(() => lookupUser(fd, '1')).toThrow('larger than');
  });
});
