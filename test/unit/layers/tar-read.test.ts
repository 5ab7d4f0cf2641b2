import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, memberPath } from '../../../src/layers/tar/entry.ts';
import { BLOCK } from '../../../src/layers/tar/header.ts';
import { readTar } from '../../../src/layers/tar/read.ts';
import {
  archive,
  block,
  chunked,
  collect,
  dir,
  entriesOf,
  extra,
  header,
  link,
  member,
  paths,
  pax,
} from './fixtures.ts';

/** Puts a base-256 number into a header and mends the checksum. */
function withBinary(bytes: Buffer, at: number, length: number, value: bigint): Buffer {
  const copy = Buffer.from(bytes);
  for (let index = at + length - 1, left = value; index >= at; index--, left >>= 8n)
    copy[index] = Number(left & 0xffn);
  copy[at] = (copy[at] ?? 0) | 0x80;
  copy.fill(0x20, 148, 156);
  const sum = copy.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

async function only(tar: Buffer) {
  const [entry] = await entriesOf(tar);
  if (!entry) throw new Error('no entry');
  return entry;
}

describe('what tar-stream reads wrongly alone', () => {
  test('owners over 262143, in octal, base-256 and PAX', async () => {
    const octal = member('a', '', { uid: 2_097_151, gid: 300_000 });
    const binary = withBinary(withBinary(block({ name: 'b' }), 108, 8, 4_294_967_294n), 116, 8, 2_097_152n);
    const records = Buffer.concat([pax({ uid: '4294967294', gid: '5000000' }), block({ name: 'c' })]);
    const found = await entriesOf(archive(octal, binary, records));
    expect(found.map(({ header: { uid, gid } }) => [uid, gid])).toEqual([
      [2_097_151, 300_000],
      [4_294_967_294, 2_097_152],
      [4_294_967_294, 5_000_000],
    ]);
  });

  test('times after 2038, before 1970 and in nanoseconds', async () => {
    const times = [2n ** 33n * 1_000_000_000n, -1_500_000_000n, -1n, 1_234_567_890_123_456_789n, 0n];
    const tar = archive(...times.map((mtime, index) => member(`f${index}`, '', { mtime })));
    expect((await entriesOf(tar)).map((entry) => entry.header.mtime)).toEqual(times);
    const binary = withBinary(block({ name: 'b' }), 136, 12, -5n);
    expect((await only(archive(binary))).header.mtime).toBe(-5_000_000_000n);
  });

  test('binary extended attributes', async () => {
    const value = Buffer.from([1, 0, 0, 2, 0xff, 0x0a, 0x3d, 0xc3, 0x28, 0]);
    const { xattrs } = (await only(archive(member('a', 'x', { xattrs: new Map([['user.x', value]]) }))))
      .header;
    expect(xattrs?.get('user.x')).toEqual(value);
  });

  test('names that are not UTF-8, in the header and in PAX', async () => {
    const short = Buffer.from([0x61, 0xff, 0xfe, 0x62]);
    const long = Buffer.concat([Buffer.from('d/'.repeat(80)), short]);
    const found = await entriesOf(archive(block({ name: short }), member(short, 'x'), member(long, 'y')));
    expect(found.map((entry) => entry.header.path)).toEqual([short, short, long]);
  });
});

describe('dialects', () => {
  test('GNU long names and link targets', async () => {
    const name = 'n'.repeat(300);
    const target = 't'.repeat(200);
    const tar = archive(
      extra('L', Buffer.from(`${name}\0`)),
      extra('K', Buffer.from(`${target}\0`)),
      block({ name: 'short', flag: '2', linkName: Buffer.from('short') }),
    );
    expect((await only(tar)).header).toMatchObject({
      path: Buffer.from(name),
      linkPath: Buffer.from(target),
      type: 'symlink',
    });
  });

  test('a ustar prefix, and a name with a slash at its end from before directories had a type', async () => {
    const long = `${'p'.repeat(90)}/${'q'.repeat(90)}`;
    expect(await paths(archive(member(long, 'x')))).toEqual([long]);
    const old = block({ name: 'old/', flag: '\0' });
    expect((await only(archive(old))).header.type).toBe('dir');
  });

  test('A31: a PAX size means the member, not the GNU record between them', async () => {
    const data = Buffer.alloc(600, 'z');
    const tar = archive(
      pax({ size: '600' }),
      extra('L', Buffer.from('long-name\0')),
      block({ name: 'x', size: 0 }),
      Buffer.concat([data, Buffer.alloc(424)]),
      member('after', 'end'),
    );
    const found = await entriesOf(tar);
    expect(found.map((entry) => [entry.header.path.toString(), entry.data.length])).toEqual([
      ['long-name', 600],
      ['after', 3],
    ]);
  });

  test('A32: global records change nothing', async () => {
    const tar = archive(
      pax({ path: '../evil', uid: '0', size: '5', comment: 'x' }, 'g'),
      member('a', 'data', { uid: 7 }),
    );
    const { header: found, data } = await only(tar);
    expect([found.path.toString(), found.uid, data.toString()]).toEqual(['a', 7, 'data']);
  });

  test('only files have data, whatever the size field of others says', async () => {
    const tar = archive(
      block({ name: 'd/', flag: '5', size: 4096 }),
      block({ name: 'l', flag: '1', linkName: Buffer.from('f'), size: 100 }),
      member('f', 'data'),
    );
    expect(await paths(tar)).toEqual(['d/', 'l', 'f']);
  });

  test('a PAX record that is taken back by an empty value', async () => {
    expect(await paths(archive(pax({ path: '' }), block({ name: 'real' })))).toEqual(['real']);
  });

  test('A40, A41: names of other systems are names', async () => {
    const names = ['C:\\x', '..\\x', 'C:..', 'e\u0301', '\u00e9', 'A', 'a', 'ﬁ'];
    expect(await paths(archive(...names.map((name) => member(name))))).toEqual(names);
  });
});

describe('ends', () => {
  test('A36: nothing after the end is used, and all of it is read', async () => {
    const first = archive(member('a', 'x'));
    const hidden = archive(member('hidden', 'y'));
    let read = 0;
    async function* counted() {
      for await (const chunk of chunked(Buffer.concat([first, hidden]))) {
        read += chunk.length;
        yield chunk;
      }
    }
    const names: string[] = [];
    for await (const entry of readTar(counted())) names.push(entry.path.toString());
    expect(names).toEqual(['a']);
    expect(read).toBe(first.length + hidden.length);
  });

  test('no bytes, zeros alone, and a missing end are archives', async () => {
    expect(await paths(Buffer.alloc(0))).toEqual([]);
    expect(await paths(Buffer.alloc(1024))).toEqual([]);
    expect(await paths(member('a', 'x'))).toEqual(['a']);
  });

  test('truncated anywhere else is E_ARCHIVE', async () => {
    const tar = Buffer.concat([pax({ path: 'long' }), member('a', Buffer.alloc(2000, 'x'))]);
    for (const size of [1, 511, 513, 700, 1024, 1100, 1537, 2000, tar.length - 1]) {
      await expect(entriesOf(tar.subarray(0, size)), String(size)).rejects.toMatchObject({
        code: 'E_ARCHIVE',
      });
    }
  });

  test('a body that nobody reads, or not to its end, is passed over', async () => {
    const tar = archive(
      member('a', Buffer.alloc(5000, 'x')),
      member('b', Buffer.alloc(3_000_000, 'y')),
      member('c', 'z'),
    );
    const names: string[] = [];
    for await (const entry of readTar(chunked(tar, 70_000))) {
      names.push(entry.path.toString());
      if (entry.path.toString() === 'b') for await (const _ of entry.body) break;
    }
    expect(names).toEqual(['a', 'b', 'c']);
  });

  test('leaving the loop ends the source; its failure reaches the reader', async () => {
    let ended = false;
    async function* source() {
      try {
        yield* chunked(archive(member('a', Buffer.alloc(9000)), member('b', 'x')));
      } finally {
        ended = true;
      }
    }
    for await (const _ of readTar(source())) break;
    expect(ended).toBe(true);
    async function* failing() {
      yield member('a', 'x');
      throw new Error('cut');
    }
    await expect(async () => {
      for await (const entry of readTar(failing())) await collect(entry.body);
    }).rejects.toThrow('cut');
  });
});

describe('hostile archives', () => {
  const refused: readonly (readonly [string, Buffer, string])[] = [
    ['no tar at all', Buffer.alloc(2048, 'x'), 'E_ARCHIVE'],
    ['A30: NUL in a PAX path', Buffer.concat([pax({ path: 'a\0b' }), block({ name: 'a' })]), 'E_ARCHIVE'],
    ['A30: negative size', withBinary(block({ name: 'a' }), 124, 12, -1n), 'E_ARCHIVE'],
    ['A30: size 2^63 - 1', withBinary(block({ name: 'a' }), 124, 12, 2n ** 63n - 1n), 'E_ARCHIVE'],
    [
      'A30: PAX size that is no number',
      Buffer.concat([pax({ size: '-1' }), block({ name: 'a' })]),
      'E_ARCHIVE',
    ],
    [
      'a size that no file has',
      Buffer.concat([pax({ size: '9007199254740991' }), block({ name: 'a' })]),
      'E_LIMIT',
    ],
    ['A42: uid -1', withBinary(block({ name: 'a' }), 108, 8, -1n), 'E_ARCHIVE'],
    ['A42: uid 2^32 - 1', Buffer.concat([pax({ uid: '4294967295' }), block({ name: 'a' })]), 'E_ARCHIVE'],
    ['A42: uid 2^32', Buffer.concat([pax({ uid: '4294967296' }), block({ name: 'a' })]), 'E_ARCHIVE'],
    ['A42: mtime 1e99', Buffer.concat([pax({ mtime: '1e99' }), block({ name: 'a' })]), 'E_ARCHIVE'],
    ['PAX length too long', extra('x', Buffer.from('99 path=a\n')), 'E_ARCHIVE'],
    ['PAX without key', extra('x', Buffer.from('5 =a\n')), 'E_ARCHIVE'],
    ['A34: long name of 1 GiB', block({ name: 'x', flag: 'L', size: 2 ** 30 }), 'E_LIMIT'],
    ['A34: PAX of 1 GiB', block({ name: 'x', flag: 'x', size: 2 ** 30 }), 'E_LIMIT'],
    ['unknown type', block({ name: 'x', flag: 'Z' }), 'E_ARCHIVE'],
    ['link to nothing', block({ name: 'x', flag: '2' }), 'E_ARCHIVE'],
    ['attributes of nothing', archive(pax({ path: 'a' })), 'E_ARCHIVE'],
    ['lone zero block', Buffer.concat([member('a'), Buffer.alloc(512), member('b')]), 'E_ARCHIVE'],
    ['number that is not octal', withText(block({ name: 'a' }), 100, '00008'), 'E_ARCHIVE'],
  ];
  test.each(refused)('%s', async (_, bytes, code) => {
    await expect(entriesOf(bytes)).rejects.toMatchObject({ code });
  });

  function withText(bytes: Buffer, at: number, text: string): Buffer {
    const copy = Buffer.from(bytes);
    copy.write(text, at, 'latin1');
    return withBinary(copy, 148, 0, 0n);
  }

  test('A34: many records before one member are counted together', async () => {
    const one = extra('L', Buffer.alloc(300_000, 'n'));
    await expect(entriesOf(Buffer.concat([one, one, one, one]))).rejects.toMatchObject({ code: 'E_LIMIT' });
  });

  test('A39: more entries than allowed', async () => {
    const tar = archive(member('a'), member('b'), member('c'));
    await expect(entriesOf(tar, { ...DEFAULT_LIMITS, entries: 2 })).rejects.toMatchObject({
      code: 'E_LIMIT',
    });
  });

  test('any bytes end in an error or in entries, never in a hang', async () => {
    const good = archive(
      member('a', 'data'),
      dir('d'),
      link('symlink', 's', 'a'),
      pax({ path: 'x' }),
      block({ name: 'y' }),
    );
    const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), cut: fc.nat(good.length) });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, byte, cut }) => {
        const bad = Buffer.from(good.subarray(0, cut < 512 ? good.length : cut));
        if (at < bad.length) bad[at] = byte;
        await entriesOf(bad).catch((error: unknown) => expect(error).toHaveProperty('name', 'BldError'));
      }),
      { numRuns: 300 },
    );
  });
});

describe('memberPath', () => {
  const show = (path: string) => memberPath(Buffer.from(path)).join('|');
  test('leading slashes, dots and empty components are gone', () => {
    expect(show('/etc/passwd')).toBe('etc|passwd');
    expect(show('./a//b/./c/')).toBe('a|b|c');
    expect(show('./')).toBe('');
    expect(show('...')).toBe('...');
    expect(show('..a/.b')).toBe('..a|.b');
  });
  test.each(['..', '../a', 'a/../../b', './../x', 'a/./..//../x', 'a/..'])('A01, A03: %s', (path) => {
    expect(() => show(path)).toThrow(expect.objectContaining({ code: 'E_PATH' }));
  });
  test('A39: longer than any program could open', () => {
    expect(() => show('a/'.repeat(3000))).toThrow(expect.objectContaining({ code: 'E_LIMIT' }));
    expect(header('a').path.toString()).toBe('a');
  });
});
