import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../../src/base/digest.ts';
import { archive, dir, entriesOf, member } from '../unit/layers/fixtures.ts';

const CHILD = resolve(import.meta.dirname, 'layers-child.ts');
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const odd = { uid: 1234, gid: 4321, mtime: 1_600_000_000_123_456_789n };

/** All that a namespace may refuse: foreign ids, devices, setuid, capabilities, closed directories. */
const TAR = archive(
  dir('./', { mode: 0o711, uid: 77 }),
  dir('closed', { ...odd, mode: 0 }),
  member('closed/f', 'x', { ...odd, mode: 0 }),
  dir('d', { ...odd, mode: 0o3777 }),
  member('d/big', Buffer.alloc(2_500_000, 'data'), { mode: 0o444, uid: 4_294_967_294, gid: 200_000 }),
  member('d/big-link', '', {
    type: 'hardlink',
    linkPath: Buffer.from('d/big'),
    mode: 0o444,
    uid: 4_294_967_294,
    gid: 200_000,
  }),
  member('d/su', 'elf', { ...odd, mode: 0o6755 }),
  member('disk', '', { type: 'block', major: 8, minor: 1, mode: 0o660, gid: 6 }),
  member('fifo', '', { ...odd, type: 'fifo', mode: 0o600 }),
  member('gone/.wh.x'),
  member('link', '', { ...odd, type: 'symlink', linkPath: Buffer.from('/etc/passwd'), mode: 0o777 }),
  member('null', '', { type: 'char', major: 1, minor: 3, mode: 0o666 }),
  dir('opaque', { uid: 5 }),
  member('opaque/.wh..wh..opq'),
  member(Buffer.from([0x6f, 0xff, 0xfe]), 'bytes', { uid: 70_000, mode: 0o666 }),
  member('ping', 'elf', { mode: 0o755, xattrs: new Map([['security.capability', capability]]) }),
);

const MODES: readonly (readonly [string, readonly string[], string, string])[] = [
  ['root', [], 'trusted', 'real'],
  [
    'a range of ids',
    ['setpriv', '--reuid=tester', '--regid=tester', '--clear-groups', 'unshare', '--map-auto', '-r'],
    'user',
    'real',
  ],
  [
    'one id',
    ['setpriv', '--reuid=tester', '--regid=tester', '--clear-groups', 'unshare', '-r'],
    'user',
    'xattr',
  ],
  ['no namespace', ['setpriv', '--reuid=tester', '--regid=tester', '--clear-groups'], 'user', 'xattr'],
];

describe.runIf(process.geteuid?.() === 0)('a layer keeps all it says', () => {
  test('in every mode, and packs to the same bytes', () => {
    const found = MODES.map(([label, prefix, xattrs, owners]) => [
      label,
      digestOf(run(prefix, xattrs, owners)),
    ]);
    const [, expected] = found[0] ?? [];
    expect(found).toEqual(MODES.map(([label]) => [label, expected]));
  });

  test('and these bytes say what the archive said', async () => {
    const packed = run([], 'trusted', 'real');
    expect(run([], 'trusted', 'real', packed).equals(packed)).toBe(true);
    const plain = async (tar: Buffer) => {
      const entries = await entriesOf(tar, undefined, 100_000);
      // marks have no metadata of their own, and their missing parent was made
      return entries
        .filter(({ header }) => !/^gone|[.]wh[.]/.test(header.path.toString('latin1')))
        .map(({ header, data }) => ({ ...header, data: digestOf(data) }));
    };
    expect(await plain(packed)).toEqual(await plain(TAR));
    const names = (await entriesOf(packed)).map(({ header }) => header.path.toString('latin1'));
    expect(names.filter((name) => name.includes('.wh.'))).toEqual(['gone/.wh.x', 'opaque/.wh..wh..opq']);
  });
});

function run(prefix: readonly string[], xattrs: string, owners: string, tar = TAR): Buffer {
  const home = mkdtempSync(join(tmpdir(), 'bld-rootless-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  chmodSync(home, 0o755);
  if (prefix.length > 0)
    chownSync(
      home,
      Number(execFileSync('id', ['-u', 'tester'])),
      Number(execFileSync('id', ['-g', 'tester'])),
    );
  const input = join(home, 'in.tar');
  writeFileSync(input, tar, { mode: 0o644 });
  const out = join(home, 'out.tar');
  const command = [...prefix, process.execPath, CHILD, input, join(home, 'layer'), xattrs, owners, out];
  const [program = '', ...args] = command;
  const diffId = execFileSync(program, args, { encoding: 'utf8', cwd: '/' });
  const bytes = readFileSync(out);
  expect(diffId).toBe(digestOf(bytes));
  return bytes;
}
