import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TarHeader } from '../../../src/layers/tar/entry.ts';
import { sys } from '../../../src/native/sys.ts';
import type { StoreKind } from '../../../src/store/types.ts';
import { applied, archive, dir, entriesOf, header, KIND, link, member, packed } from './fixtures.ts';

const ROOT = process.geteuid?.() === 0;
/** The same machine as a store of the other kind would use it: owners and devices in records. */
const RECORDS: StoreKind = { xattrs: KIND.xattrs, owners: 'xattr' };

const name = fc
  .uint8Array({ minLength: 1, maxLength: 30 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x78 : byte))))
  .filter((bytes) => bytes.some((byte) => byte !== 0x2e) && !bytes.toString('latin1').startsWith('.wh.'));

const id = fc.constantFrom(0, 0, 1000, 65_534, 300_000, 4_294_967_294);
const mtime = fc.oneof(
  fc.constantFrom(0n, 2n ** 33n * 1_000_000_000n, -2_000_000_000n),
  fc.bigInt({ min: 0n, max: 2n ** 60n }),
);
const attributes = fc.option(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((value) => new Map([['user.note', Buffer.from(value)]])),
);
const meta = { mode: fc.nat(0o7777), uid: id, gid: id, mtime, xattrs: attributes };

type Node = { readonly make: (path: Buffer) => Buffer[] };

const file = fc
  .record({ ...meta, data: fc.uint8Array({ maxLength: 1500 }) })
  .map(({ data, ...rest }): Node => {
    return { make: (path) => [member(path, Buffer.from(data), rest)] };
  });
const twins = fc
  .record({ ...meta, data: fc.uint8Array({ maxLength: 20 }) })
  .map(({ data, ...rest }): Node => {
    return {
      make: (path) => {
        const second = Buffer.concat([path, Buffer.from('\x01')]);
        const linked = { ...rest, xattrs: null, type: 'hardlink', linkPath: path } as const;
        return [member(path, Buffer.from(data), rest), member(second, '', linked)];
      },
    };
  });
const symlink = fc.record({ uid: id, gid: id, mtime, linkPath: name }).map((rest): Node => {
  return { make: (path) => [member(path, '', { ...rest, mode: 0o777, type: 'symlink' })] };
});
const fifo = fc.record({ ...meta, xattrs: fc.constant(null) }).map((rest): Node => {
  return { make: (path) => [member(path, '', { ...rest, type: 'fifo' })] };
});
const device = fc
  .record({
    ...meta,
    xattrs: fc.constant(null),
    type: fc.constantFrom('char', 'block'),
    minor: fc.constantFrom(3, 70_000),
  })
  .map(
    ({ type, ...rest }): Node => ({
      make: (path) => [member(path, '', { ...rest, type: type as 'char', major: 1 })],
    }),
  );
const leaf = fc.oneof(file, file, twins, symlink, fifo, device);

const { tree } = fc.letrec<{ tree: Node; node: Node; branch: Node }>((tie) => ({
  node: fc.oneof({ depthSize: 'small' }, leaf, tie('branch')),
  branch: fc.record({ own: fc.record(meta), inside: tie('tree') }).map(({ own, inside }): Node => {
    return { make: (path) => [dir(path, own), ...inside.make(Buffer.concat([path, Buffer.from('/')]))] };
  }),
  tree: fc
    .uniqueArray(fc.tuple(name, tie('node')), {
      maxLength: 6,
      selector: ([bytes]) => bytes.toString('latin1'),
    })
    .map((nodes): Node => {
      // a twin's second name stands right after it: no other name may come between
      const sorted = nodes
        .filter(([bytes]) => !nodes.some(([other]) => other !== bytes && isPrefix(bytes, other)))
        .sort(([a], [b]) => Buffer.compare(a, b));
      return { make: (path) => sorted.flatMap(([bytes, node]) => node.make(Buffer.concat([path, bytes]))) };
    }),
}));

function isPrefix(prefix: Buffer, whole: Buffer): boolean {
  return whole.subarray(0, prefix.length).equals(prefix);
}

const kinds: readonly (readonly [string, StoreKind])[] = ROOT
  ? [
      ['real owners', KIND],
      ['owners in records', RECORDS],
    ]
  : [['owners in records', RECORDS]];

test.each(kinds)('unpacked and packed again, a canonical tar is the same bytes: %s', async (_, kind) => {
  await fc.assert(
    fc.asyncProperty(tree, async (node) => {
      const tar = archive(...node.make(Buffer.alloc(0)));
      const again = await packed([await applied(tar, kind)], { kind });
      if (again.equals(tar)) return;
      expect(await shown(again)).toEqual(await shown(tar));
      expect(again.equals(tar)).toBe(true);
    }),
    { numRuns: 10 },
  );
});

async function shown(tar: Buffer): Promise<(TarHeader & { data: string })[]> {
  return (await entriesOf(tar)).map((entry) => ({ ...entry.header, data: entry.data.toString('hex') }));
}

test.each(kinds)('long names, capabilities and setuid files: %s', async (_, kind) => {
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const long = `${'d'.repeat(200)}/${'f'.repeat(200)}`;
  const tar = archive(
    dir('d'.repeat(200)),
    member(long, 'x', { mode: 0o6755, uid: 5, gid: 5 }),
    member('ping', 'elf', { mode: 0o755, uid: 7, xattrs: new Map([['security.capability', capability]]) }),
  );
  const directory = await applied(tar, kind);
  expect((await packed([directory], { kind })).equals(tar)).toBe(true);
});

test('A26: attributes of overlay and of bld in an archive are dropped', async () => {
  const names = [
    'trusted.overlay.opaque',
    'user.overlay.opaque',
    'user.overlay.redirect',
    'user.overlay.metacopy',
  ];
  const forged = ['user.bld.owner', 'user.bld.mode', 'user.bld.device', 'user.bld.xattr.security.capability'];
  const xattrs = new Map([...names, ...forged, 'security.selinux'].map((key) => [key, Buffer.from('y')]));
  const directory = await applied(archive(dir('d', { xattrs }), member('f', 'x', { xattrs })));
  const fd = sys().openRoot(join(directory, 'diff'));
  const found = [Buffer.from('d'), Buffer.from('f')].flatMap((at) => sys().getXattrs(fd, at));
  sys().close(fd);
  expect(found).toEqual([]);
  expect((await packed([directory])).equals(archive(dir('d'), member('f', 'x')))).toBe(true);
});

test('owners of what carries no attribute are in the side file', async () => {
  const tar = archive(
    link('symlink', 'a link', 'x'),
    member('s', '', { type: 'symlink', linkPath: Buffer.from('x'), uid: 5, gid: 6, mode: 0o777 }),
  );
  const directory = await applied(tar, RECORDS);
  expect(readFileSync(join(directory, 'owners'), 'utf8')).toMatch(/^[0-9]+\t5\t6\ts\n$/);
  expect((await packed([directory], { kind: RECORDS })).equals(tar)).toBe(true);
  const plain = await applied(archive(member('f', 'x', { uid: 5 })), RECORDS);
  expect(existsSync(join(plain, 'owners'))).toBe(false);
});

test('A25: the only devices that become real are harmless ones; 0:0 is no whiteout', async () => {
  const node = (path: string, type: 'char' | 'block', major: number, minor: number) =>
    member(path, '', { type, major, minor, mode: 0o666, uid: 3, gid: 6 });
  const tar = archive(
    node('mem', 'char', 1, 1),
    node('null', 'char', 1, 3),
    node('sda', 'block', 8, 0),
    node('w', 'char', 0, 0),
  );
  for (const [, kind] of kinds) {
    const directory = await applied(tar, kind);
    const fd = sys().openRoot(join(directory, 'diff'));
    const types = ['mem', 'null', 'sda', 'w'].map((path) => sys().stat(fd, Buffer.from(path))?.type);
    sys().close(fd);
    expect(types).toEqual(['file', kind.owners === 'real' ? types[1] : 'file', 'file', 'file']);
    expect((await packed([directory], { kind })).equals(tar)).toBe(true);
  }
});

test.runIf(ROOT)('records on what others may write to are not believed', async () => {
  const directory = await applied(
    archive(member('f', 'x', { mode: 0o666 }), member('g', 'x', { uid: 1000 }), member('h', 'x')),
  );
  const fd = sys().openRoot(join(directory, 'diff'));
  for (const path of ['f', 'g', 'h']) {
    sys().setXattr(fd, Buffer.from(path), Buffer.from('user.bld.owner'), Buffer.from('0:42'));
    sys().setXattr(fd, Buffer.from(path), Buffer.from('user.bld.mode'), Buffer.from('4755'));
  }
  sys().close(fd);
  const found = await shown(await packed([directory]));
  expect(found.map(({ uid, gid, mode }) => [uid, gid, mode])).toEqual([
    [0, 0, 0o666],
    [1000, 0, 0o644],
    [0, 42, 0o4755],
  ]);
  expect(header('x').type).toBe('file');
});
