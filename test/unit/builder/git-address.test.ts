import { describe, expect, test } from 'vitest';
import { mayBeRepository } from '../../../src/builder/build/copy-step.ts';
import { type GitAddress, parseGitAddress, submoduleRemote } from '../../../src/builder/git/address.ts';

const SHA = '0123456789abcdef0123456789abcdef01234567';

/** `address ref :subdir =checksum`, as far as they are there. */
function shown(address: GitAddress | null): string {
  if (!address) return 'none';
  const { remote, ref, subdir, checksum, keepGitDir, submodules } = address;
  return [
    remote.address,
    ref,
    subdir && `:${subdir}`,
    checksum && `=${checksum}`,
    keepGitDir === undefined ? undefined : `keep=${keepGitDir}`,
    submodules === undefined ? undefined : `submodules=${submodules}`,
  ]
    .filter((part) => part !== undefined)
    .join(' ');
}

describe('addresses', () => {
  test.each([
    ['https://host/a/b.git', 'https://host/a/b.git'],
    ['HTTPS://HOST/a/b.git', 'https://host/a/b.git'],
    ['http://host:8080/b.git#main', 'http://host:8080/b.git main'],
    ['https://host/b.git#main:sub/dir', 'https://host/b.git main :sub/dir'],
    ['https://host/b.git#:sub', 'https://host/b.git :sub'],
    ['https://host/b.git#main:/sub/', 'https://host/b.git main :sub'],
    ['https://host/b.git#main:.', 'https://host/b.git main'],
    ['https://host/b.git#feature/x', 'https://host/b.git feature/x'],
    [`https://host/b.git#${SHA}`, `https://host/b.git ${SHA}`],
    ['https://user:secret@host/b.git', 'https://host/b.git'],
    ['https://host/b.git?branch=main', 'https://host/b.git refs/heads/main'],
    ['https://host/b.git?tag=v1.0', 'https://host/b.git refs/tags/v1.0'],
    ['https://host/b.git?ref=refs/pull/1/head', 'https://host/b.git refs/pull/1/head'],
    [`https://host/b.git?commit=${SHA}`, `https://host/b.git ${SHA} =${SHA}`],
    ['https://host/b.git?tag=v1&checksum=0123456', 'https://host/b.git refs/tags/v1 =0123456'],
    ['https://host/b.git?branch=a&subdir=b%2Fc', 'https://host/b.git refs/heads/a :b/c'],
    ['https://host/b.git?keep-git-dir=true&submodules=0', 'https://host/b.git keep=true submodules=false'],
    ['https://host/b.git?ref=a#a', 'https://host/b.git a'],
    ['git@host:team/b.git', 'git@host:team/b.git'],
    ['git@host:team/b.git#main:sub', 'git@host:team/b.git main :sub'],
    ['git@host:team/b?branch=x', 'git@host:team/b refs/heads/x'],
    ['user.name@host.example:b.git', 'user.name@host.example:b.git'],
    ['ssh://git@host/b', 'ssh://git@host/b'],
    ['ssh://git@host:2222/b.git#v1', 'ssh://git@host:2222/b.git v1'],
    ['ssh://git:secret@host/b.git', 'ssh://git@host/b.git'],
    ['git://host/b.git#main', 'git://host/b.git main'],
    ['git://host/b', 'git://host/b'],
    ['github.com/team/b', 'https://github.com/team/b'],
    ['github.com/team/b.git#main', 'https://github.com/team/b.git main'],
  ])('%s', (text, expected) => {
    expect(shown(parseGitAddress(text))).toBe(expected);
    expect(mayBeRepository(text)).toBe(true);
  });

  test.each([
    '.',
    '/srv/context',
    'context',
    'https://host/context.tar.gz',
    'https://host/b.git/archive.tar',
    'https://host/x?file=b.git',
    'ftp://host/b.git',
    'file:///srv/b.git',
    'ext::sh -c id',
    'docker-image://busybox',
    'host:path',
    '-x@host:path',
  ])('%s is none', (text) => {
    expect(parseGitAddress(text)).toBeNull();
  });

  test.each([
    ['https://host/b.git#main:../x', 'leaves the repository'],
    ['https://host/b.git?subdir=a/../../x', 'leaves the repository'],
    ['https://host/b.git#-x', 'no branch, tag or commit'],
    ['https://host/b.git#a..b', 'no branch, tag or commit'],
    ['https://host/b.git#main^{tree}', 'no branch, tag or commit'],
    ['https://host/b.git#a b', 'no branch, tag or commit'],
    ['https://host/b.git#*', 'no branch, tag or commit'],
    ['https://host/b.git?branch=a&tag=b', 'two values for ref'],
    ['https://host/b.git?branch=a#b', 'two values for ref'],
    ['https://host/b.git?commit=xyz', 'not the digits of a commit'],
    ['https://host/b.git?commit=abc', 'not the digits of a commit'],
    ['https://host/b.git?brnch=a', 'unexpected query "brnch"'],
    ['https://host/b.git?branch=', 'no value for "branch"'],
    ['https://host/b.git?submodules=maybe', 'neither true nor false'],
    ['ssh://git@host:team/b.git', 'is no address'],
    ['ssh://-oProxyCommand=id/b.git', 'not the name of a host'],
  ])('%s is refused', (text, message) => {
    expect(() => parseGitAddress(text)).toThrow(message);
  });

  test('a password is kept apart, and is in no name', () => {
    const remote = parseGitAddress('https://user:se%40cret@host:8443/b.git#main')?.remote;
    expect(remote).toEqual({
      address: 'https://host:8443/b.git',
      shown: 'https://host:8443/b.git',
      origin: 'https://host:8443',
      login: { user: 'user', password: 'se@cret' },
    });
    expect(() => parseGitAddress('https://u:secret@host/b.git?x=y')).toThrow(/^(?!.*secret)/);
  });
});

describe('submodules', () => {
  const addressOf = (parent: string, text: string) => {
    const remote = parseGitAddress(parent)?.remote;
    if (!remote) throw new Error('no parent');
    return submoduleRemote(text, remote);
  };

  test.each([
    ['https://host/team/a.git', '../b.git', 'https://host/team/b.git'],
    ['https://host/team/a.git', '../../x/b', 'https://host/x/b'],
    ['https://host/team/a.git', './b.git', 'https://host/team/a.git/b.git'],
    ['https://host/team/a.git', 'https://other/b', 'https://other/b'],
    ['git@host:team/a.git', '../b.git', 'git@host:team/b.git'],
    ['git@host:a.git', '../b.git', 'git@host:b.git'],
    ['ssh://git@host/team/a.git', '../b.git', 'ssh://git@host/team/b.git'],
    ['https://host/a.git', 'git@host:b.git', 'git@host:b.git'],
  ])('%s + %s', (parent, text, expected) => {
    expect(addressOf(parent, text).address).toBe(expected);
  });

  test('a relative one has the login of its parent, any other has none', () => {
    expect(addressOf('https://u:p@host/a.git', '../b.git').login).toEqual({ user: 'u', password: 'p' });
    expect(addressOf('https://u:p@host/a.git', 'https://host/b.git').login).toBeUndefined();
  });

  test.each(['/srv/b.git', 'file:///srv/b.git', 'ext::sh -c id', '-x', 'ssh://-oProxyCommand=id/x'])(
    '%s is refused',
    (text) => {
      expect(() => addressOf('https://host/a.git', text)).toThrow();
    },
  );
});

test('what is only a path is no address', () => {
  for (const path of ['.', 'src/', '/etc/passwd', 'a.git', '*.tar', 'github.com', 'a@b']) {
    expect(mayBeRepository(path)).toBe(false);
    expect(parseGitAddress(path)).toBeNull();
  }
});
