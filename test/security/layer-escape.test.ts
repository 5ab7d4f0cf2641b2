/** Attacks A01-A16, A29 and A88: no archive reaches out of the directory that it is unpacked into. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyLayer } from '../../src/layers/apply.ts';
import { extractArchive } from '../../src/layers/extract.ts';
import { sys } from '../../src/native/sys.ts';
import { archive, block, chunked, dir, KIND, link, member, pax, scratch } from '../unit/layers/fixtures.ts';

interface Place {
  /** `<top>/layer/diff` is unpacked into. */
  readonly top: string;
  readonly diff: string;
}

/** A canary all around the directory that is unpacked into. */
function place(): Place {
  const top = scratch();
  const diff = join(top, 'layer', 'diff');
  mkdirSync(diff, { recursive: true });
  mkdirSync(join(top, 'outside'));
  writeFileSync(join(top, 'canary'), 'canary', { mode: 0o604 });
  writeFileSync(join(top, 'outside', 'secret'), 'secret', { mode: 0o640 });
  chmodSync(join(top, 'outside'), 0o705);
  return { top, diff };
}

/** Everything outside of `layer`, with what an attack could change. */
function outside({ top }: Place): unknown {
  const seen: unknown[] = [];
  const walk = (path: string) => {
    for (const name of readdirSync(path).sort()) {
      const at = join(path, name);
      if (at === join(top, 'layer')) continue;
      const { mode, uid, gid, nlink, size, mtimeMs } = lstatSync(at);
      seen.push([at, mode, uid, gid, nlink, size, mtimeMs]);
      if (lstatSync(at).isDirectory()) walk(at);
      else seen.push(readFileSync(at, 'utf8'));
    }
  };
  walk(top);
  return seen;
}

type Attack = readonly [name: string, tar: (place: Place) => Buffer, result: 'E_PATH' | 'E_ARCHIVE' | 'done'];

const ATTACKS: readonly Attack[] = [
  ['A01 ..', () => archive(member('../../canary', 'x')), 'E_PATH'],
  ['A02 absolute', () => archive(member('/etc/canary', 'x')), 'done'],
  ['A03 dots in the middle', () => archive(dir('a'), member('a/./..//../x', 'x')), 'E_PATH'],
  [
    'A04 absolute symlink',
    ({ top }) => archive(link('symlink', 'd', join(top, 'outside')), member('d/secret', 'x')),
    'E_PATH',
  ],
  [
    'A05 relative symlink',
    () => archive(link('symlink', 'd', '../../outside'), member('d/secret', 'x')),
    'E_PATH',
  ],
  [
    'A06 a chain that is inside by its letters',
    () =>
      archive(
        link('symlink', 'a', 'b'),
        link('symlink', 'b', 'c/..'),
        link('symlink', 'c', '/'),
        member('a/canary', 'x'),
      ),
    'done',
  ],
  ['A04 symlink to the root', () => archive(link('symlink', 'd', '/'), member('d/f', 'x')), 'done'],
  ['A05 symlink loop', () => archive(link('symlink', 'd', 'd'), member('d/f', 'x')), 'E_PATH'],
  [
    'A08 hardlink to a host file',
    ({ top }) => archive(link('hardlink', 'h', join(top, 'canary'))),
    'E_ARCHIVE',
  ],
  ['A09 hardlink by ..', () => archive(link('hardlink', 'h', '../../canary')), 'E_PATH'],
  [
    'A10 hardlink to a file of the working directory',
    () => archive(link('hardlink', 'h', 'package.json')),
    'E_ARCHIVE',
  ],
  [
    'A11 a file over a hardlink to a symlink',
    ({ top }) =>
      archive(link('symlink', 's', join(top, 'canary')), link('hardlink', 'h', 's'), member('h', 'x')),
    'done',
  ],
  [
    'A12 hardlink through a symlink',
    ({ top }) => archive(link('symlink', 'd', join(top, 'outside')), link('hardlink', 'h', 'd/secret')),
    'E_ARCHIVE',
  ],
  ['A13 hardlink to itself', () => archive(member('h', 'x'), link('hardlink', 'h', 'h')), 'E_ARCHIVE'],
  ['A13 hardlink to a later entry', () => archive(link('hardlink', 'h', 'f'), member('f', 'x')), 'E_ARCHIVE'],
  ['A13 hardlink to a directory', () => archive(dir('d'), link('hardlink', 'h', 'd')), 'E_ARCHIVE'],
  ['A13 hardlink to the root', () => archive(link('hardlink', 'h', '.')), 'E_ARCHIVE'],
  [
    'A14 a file over a symlink',
    ({ top }) => archive(link('symlink', 's', join(top, 'canary')), member('s', 'x')),
    'done',
  ],
  [
    'A15 a directory over a symlink',
    ({ top }) =>
      archive(link('symlink', 's', join(top, 'outside')), dir('s', { mode: 0o777, uid: 5, mtime: 1n })),
    'done',
  ],
  ['A29 PAX path', () => archive(pax({ path: '../../canary' }), block({ name: 'x' })), 'E_PATH'],
  [
    'A29 PAX link target',
    ({ top }) =>
      archive(
        pax({ linkpath: join(top, 'canary') }),
        block({ name: 'h', flag: '1', linkName: Buffer.from('x') }),
      ),
    'E_ARCHIVE',
  ],
  [
    'A29 a path that looks like a number',
    () => archive(pax({ path: '12345' }), block({ name: 'x' })),
    'done',
  ],
];

describe.each([
  [
    'a layer',
    (tar: Buffer, { top }: Place) => applyLayer(chunked(tar), { directory: join(top, 'layer'), ...KIND }),
  ],
  ['ADD', (tar: Buffer, { top, diff }: Place) => add(tar, { top, diff }, '')],
] as const)('%s', (_, unpack) => {
  test.each(ATTACKS)('%s', async (_name, tar, result) => {
    const here = place();
    const before = outside(here);
    const bytes = tar(here);
    if (result === 'done') await unpack(bytes, here);
    else await expect(unpack(bytes, here)).rejects.toMatchObject({ code: result });
    expect(outside(here)).toEqual(before);
  });
});

async function add(tar: Buffer, { top, diff }: Place, destination: string): Promise<void> {
  const root = sys().openRoot(diff);
  try {
    const target = {
      root,
      destination: Buffer.from(destination),
      owners: KIND.owners,
      ownerFile: join(top, 'layer', 'owners'),
    };
    await extractArchive(chunked(tar), target);
  } finally {
    sys().close(root);
  }
}

describe('A16: the root as something else', () => {
  test.each([
    ['a file', archive(member('./', 'x', { path: Buffer.from('.') }))],
    ['a symlink', archive(link('symlink', '.', '/etc'))],
    ['a hardlink', archive(member('f', 'x'), link('hardlink', '/', 'f'))],
  ])('%s', async (_, tar) => {
    const { top } = place();
    await expect(applyLayer(chunked(tar), { directory: join(top, 'layer'), ...KIND })).rejects.toMatchObject({
      code: 'E_ARCHIVE',
    });
  });
});

describe('ADD into a root file system', () => {
  test('A07: links that are there already lead to places inside', async () => {
    const here = place();
    mkdirSync(join(here.diff, 'real'));
    symlinkSync(join('/real'), join(here.diff, 'absolute'));
    symlinkSync('../../../../real', join(here.diff, 'relative'));
    symlinkSync(join(here.top, 'outside'), join(here.diff, 'evil'));
    const before = outside(here);
    await add(archive(member('a', '1')), here, 'absolute/sub');
    await add(archive(member('relative/b', '2')), here, '');
    await expect(add(archive(member('c', '3')), here, 'evil')).rejects.toMatchObject({ code: 'E_PATH' });
    await expect(add(archive(member('c', '3')), here, '../x')).rejects.toMatchObject({ code: 'E_PATH' });
    expect(readFileSync(join(here.diff, 'real/sub/a'), 'utf8')).toBe('1');
    expect(readFileSync(join(here.diff, 'real/b'), 'utf8')).toBe('2');
    expect(outside(here)).toEqual(before);
  });

  test('a directory replaces a symlink, directories are merged, whiteout names are files', async () => {
    const here = place();
    mkdirSync(join(here.diff, 'lib'));
    writeFileSync(join(here.diff, 'lib/kept'), 'k');
    symlinkSync('lib', join(here.diff, 'lib64'));
    await add(
      archive(dir('lib', { mode: 0o700 }), dir('lib64'), member('lib64/x', '1'), member('lib/.wh.kept', '')),
      here,
      '',
    );
    expect(readdirSync(join(here.diff, 'lib')).sort()).toEqual(['.wh.kept', 'kept']);
    expect(lstatSync(join(here.diff, 'lib64')).isDirectory()).toBe(true);
    expect(lstatSync(join(here.diff, 'lib')).mode & 0o777).toBe(0o700);
  });

  test('hardlinks start where the archive does; owners and modes can be asked for', async () => {
    const here = place();
    const root = sys().openRoot(here.diff);
    const target = {
      root,
      destination: Buffer.from('/opt/'),
      owners: 'xattr' as const,
      ownerFile: join(here.top, 'layer/owners'),
    };
    const seen: string[] = [];
    await extractArchive(
      chunked(archive(member('f', 'x', { uid: 9 }), link('hardlink', 'h', './f'), link('symlink', 's', 'f'))),
      target,
      {
        chown: { uid: 7, gid: 8 },
        chmod: 0o600,
        onEntry: (_, path) => seen.push(path.toString()),
      },
    );
    const owner = sys().getXattr(root, Buffer.from('opt'), 'user.bld.owner');
    sys().close(root);
    expect([owner, seen]).toEqual([null, ['opt/f', 'opt/h', 'opt/s']]);
    expect(lstatSync(join(here.diff, 'opt/f')).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(here.diff, 'opt/h')).nlink).toBe(2);
    expect(readlinkSync(join(here.diff, 'opt/s'))).toBe('f');
    expect(readFileSync(join(here.top, 'layer/owners'), 'utf8')).toMatch(/\t7\t8\topt\/s\n$/);
  });
});

test('A43: names that are swapped for symlinks while a layer is unpacked', async () => {
  const here = place();
  const before = outside(here);
  const members = Array.from({ length: 300 }, (_, index) => member(`d/f${index}`, 'x'));
  async function* swapping() {
    for (const [index, bytes] of members.entries()) {
      yield bytes;
      if (index % 50 !== 20) continue;
      // what an attacker inside of a container could do at any moment
      execFileSync('mv', [join(here.diff, 'd'), join(here.diff, `moved${index}`)], { stdio: 'ignore' });
      symlinkSync(join(here.top, 'outside'), join(here.diff, 'd'));
    }
    yield archive();
  }
  await applyLayer(swapping(), { directory: join(here.top, 'layer'), ...KIND }).catch(() => {});
  expect(outside(here)).toEqual(before);
  expect(() => linkSync(join(here.top, 'canary'), join(here.top, 'layer', 'linked'))).not.toThrow();
});
