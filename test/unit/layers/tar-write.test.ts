import fc from 'fast-check';
import { extract } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import type { TarHeader } from '../../../src/layers/tar/entry.ts';
import { encodeHeader } from '../../../src/layers/tar/write.ts';
import { archive, entriesOf, header, link, member } from './fixtures.ts';

const component = fc
  .uint8Array({ minLength: 1, maxLength: 60 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x78 : byte))))
  .filter((bytes) => bytes.some((byte) => byte !== 0x2e));

/** Names as bytes, short and long, never with dots alone. */
const path = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map((parts) => Buffer.from(parts.map((part) => part.toString('latin1')).join('/'), 'latin1'));

const id = fc.oneof(fc.nat(70_000), fc.constantFrom(262_144, 2_097_151, 2_097_152, 4_294_967_294));

const mtime = fc.oneof(
  fc.bigInt({ min: 0n, max: 4_000_000_000n }).map((seconds) => seconds * 1_000_000_000n),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  fc.constantFrom(2n ** 33n * 1_000_000_000n, -1n, -1_000_000_000n),
);

const xattrs = fc.option(
  fc
    .uniqueArray(fc.tuple(fc.stringMatching(/^user\.[a-z]{1,8}$/), fc.uint8Array({ maxLength: 300 })), {
      selector: ([name]) => name,
      minLength: 1,
      maxLength: 3,
    })
    .map(
      (pairs) =>
        new Map(
          pairs.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, Buffer.from(value)]),
        ),
    ),
);

const common = { path, uid: id, gid: id, mtime, xattrs, mode: fc.nat(0o7777) };

const headers: fc.Arbitrary<TarHeader> = fc.oneof(
  fc.record(common).map((some) => header(some.path, some)),
  fc.record({ ...common, linkPath: path }).map((some) => header(some.path, { ...some, type: 'symlink' })),
  fc.record({ ...common, linkPath: path }).map((some) => header(some.path, { ...some, type: 'hardlink' })),
  fc.record({ ...common, major: fc.nat(4095), minor: fc.nat(1_048_575) }).map((some) => {
    return header(some.path, { ...some, type: 'char' });
  }),
  fc.record(common).map((some) => header(some.path, { ...some, type: 'fifo' })),
  fc.record(common).map((some) => header(some.path, { ...some, type: 'dir' })),
);

function withoutSlash(found: TarHeader): TarHeader {
  const { path: name } = found;
  return found.type === 'dir' && name.at(-1) === 0x2f ? { ...found, path: name.subarray(0, -1) } : found;
}

test('what is written is read again, byte for byte', async () => {
  await fc.assert(
    fc.asyncProperty(headers, fc.uint8Array({ maxLength: 2000 }), async (entry, bytes) => {
      const data = entry.type === 'file' ? Buffer.from(bytes) : Buffer.alloc(0);
      const written = { ...entry, size: data.length };
      const [found] = await entriesOf(archive(member(entry.path, data, written)), undefined, 333);
      if (!found) throw new Error('no entry');
      expect(withoutSlash(found.header)).toEqual(written);
      expect(found.data.equals(data)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

describe('dialect', () => {
  test('plain entries are one ustar block each, and tar-stream agrees on them', async () => {
    const tar = archive(
      member('a/b', 'hello', { uid: 1000, gid: 1000, mode: 0o4755 }),
      link('symlink', 'l', 'a/b'),
      member(`${'p'.repeat(100)}/${'q'.repeat(99)}`, 'x'),
    );
    expect(tar.length).toBe(512 * (2 + 1 + 2 + 2));
    const found: unknown[] = [];
    const stream = extract();
    stream.end(tar);
    for await (const entry of stream) {
      const { name, mode, uid, type, linkname } = entry.header;
      found.push([name, mode, uid, type, linkname]);
      entry.resume();
    }
    expect(found).toEqual([
      ['a/b', 0o4755, 1000, 'file', null],
      ['l', 0o777, 0, 'symlink', 'a/b'],
      [`${'p'.repeat(100)}/${'q'.repeat(99)}`, 0o644, 0, 'file', null],
    ]);
  });

  test('records are sorted, and nothing of the machine or the moment is in them', () => {
    const attributes = new Map([
      ['user.b', Buffer.from('2')],
      ['user.a', Buffer.from('1')],
    ]);
    const bytes = encodeHeader(header('ä', { xattrs: attributes, uid: 3_000_000, mtime: 1_500_000_000n }));
    expect(bytes.length).toBe(3 * 512);
    expect(bytes.subarray(512, 1024).toString().replace(/\0+$/, '')).toBe(
      '25 SCHILY.xattr.user.a=1\n25 SCHILY.xattr.user.b=2\n13 mtime=1.5\n11 path=ä\n15 uid=3000000\n',
    );
  });

  test('the length of a PAX record counts its own digits', () => {
    for (const length of [1, 80, 86, 87, 88, 89, 90, 980, 985, 986, 987, 988, 989, 990]) {
      const bytes = encodeHeader(header('a', { xattrs: new Map([['user.x', Buffer.alloc(length, 'v')]]) }));
      const stated = Number.parseInt(bytes.toString('latin1', 512, 520), 10);
      expect(bytes.toString('latin1', 512 + stated - 1, 512 + stated)).toBe('\n');
    }
  });

  test('8 GiB and more', async () => {
    const [found] = await entriesOf(
      Buffer.concat([encodeHeader(header('big', { size: 0o77777777777 }))]),
    ).catch(() => []);
    expect(found).toBeUndefined();
    const bytes = encodeHeader(header('big', { size: 2 ** 33 }));
    expect(bytes.toString('latin1', 512, 535)).toBe('19 size=8589934592\n\0\0\0\0');
  });
});
