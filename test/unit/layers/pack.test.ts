import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { changes } from '../../../src/layers/diff.ts';
import { fileSink, writeLayer } from '../../../src/layers/layer.ts';
import { packLayer } from '../../../src/layers/pack.ts';
import {
  applied,
  archive,
  chunked,
  collect,
  dir,
  entriesOf,
  KIND,
  listing,
  member,
  packed,
  scratch,
} from './fixtures.ts';

/** A layer directory with an empty `diff`. */
function fresh(): { directory: string; at: (path: string) => string } {
  const directory = scratch();
  mkdirSync(join(directory, 'diff'));
  return { directory, at: (path) => join(directory, 'diff', path) };
}

describe('packLayer', () => {
  test('parents first, names by their bytes, hardlinks to the first of them', async () => {
    const { directory, at } = fresh();
    mkdirSync(at('b'));
    writeFileSync(at('b/z'), 'zz');
    writeFileSync(at('b-c'), '');
    writeFileSync(at('ä'), '1');
    writeFileSync(at('B'), '2');
    linkSync(at('b/z'), at('b/a'));
    symlinkSync('b', at('s'));
    const expected = ['B = 2', 'b/', 'b/a = zz', 'b/z == b/a', 'b-c', 's -> b', 'ä = 1'];
    expect(await listing(await packed([directory]))).toEqual(expected);
  });

  test('times are set or clamped', async () => {
    const { directory, at } = fresh();
    writeFileSync(at('old'), '');
    utimesSync(at('old'), 1000, 1000);
    writeFileSync(at('new'), '');
    const time = 1_700_000_000_000_000_000n;
    const times = async (how: 'set' | 'clamp') => {
      const tar = await packed([directory], { timestamp: { time, how } });
      return (await entriesOf(tar)).map((entry) => entry.header.mtime);
    };
    expect(await times('set')).toEqual([time, time]);
    expect(await times('clamp')).toEqual([time, 1000_000_000_000n]);
  });

  test('a filter leaves out', async () => {
    const directory = await applied(archive(member('.wh.x'), dir('d'), member('d/f', '1')));
    const filter = (change: { kind: string }) => change.kind === 'delete';
    expect(await listing(await packed([directory], { filter }))).toEqual(['.wh.x']);
  });

  test('sockets are left out; FIFOs are never opened (A28)', async () => {
    const directory = await applied(archive(member('p', '', { type: 'fifo' })));
    const server = createServer().listen(join(directory, 'diff/sock'));
    await once(server, 'listening');
    expect(await listing(await packed([directory]))).toEqual(['p']);
    server.close();
  });

  test('a sparse file is plain data', async () => {
    const { directory, at } = fresh();
    writeFileSync(at('s'), 'head');
    truncateSync(at('s'), 3_000_000);
    const [entry] = await entriesOf(await packed([directory]), undefined, 100_000);
    expect([entry?.data.length, entry?.data.toString('utf8', 0, 4), entry?.data[2_999_999]]).toEqual([
      3_000_000,
      'head',
      0,
    ]);
  });

  test.each([100, 200_000, 5_000_000])(
    'A132: a file of %i bytes that grows or shrinks is an error',
    async (size) => {
      const { directory, at } = fresh();
      for (const change of [() => appendFileSync(at('f'), 'more'), () => truncateSync(at('f'), size - 1)]) {
        writeFileSync(at('f'), Buffer.alloc(size, 'x'));
        const stack = [join(directory, 'diff')];
        const altered = (function* () {
          for (const found of changes(stack, { kind: KIND })) {
            change();
            yield found;
          }
        })();
        await expect(collect(packLayer(altered))).rejects.toMatchObject({
          code: 'E_INTEGRITY',
          message: /f changed/,
        });
      }
      writeFileSync(at('f'), Buffer.alloc(size, 'x'));
      let seen = 0;
      const late = async () => {
        for await (const chunk of packLayer(changes([join(directory, 'diff')], { kind: KIND }))) {
          seen += chunk.length;
          if (seen > 1_000_000) truncateSync(at('f'), 1_000_000);
        }
      };
      if (size > 4_000_000) await expect(late()).rejects.toMatchObject({ code: 'E_INTEGRITY' });
    },
  );

  test('leaving it early closes what is open', async () => {
    const { directory, at } = fresh();
    for (let deep = 0, path = 'd'; deep < 20; deep++, path += '/d') mkdirSync(at(path));
    writeFileSync(at('a'), Buffer.alloc(4_000_000));
    const open = () => readFileSync('/proc/self/fdinfo/0').length > 0 && fdCount();
    const before = open();
    for await (const _ of packLayer(changes([join(directory, 'diff')], { kind: KIND }))) break;
    for (const found of changes([join(directory, 'diff')], { kind: KIND })) if (found.path.length > 10) break;
    expect(open()).toBe(before);
  });
});

function fdCount(): number {
  let count = 0;
  for (let fd = 0; fd < 200; fd++) {
    try {
      readFileSync(`/proc/self/fdinfo/${fd}`);
      count++;
    } catch {
      // not open
    }
  }
  return count;
}

describe('root', () => {
  test('is said where it differs from the tree below, or is unusual', async () => {
    const base = await applied(archive(dir('./', { mode: 0o700 })));
    const same = await applied(archive(dir('./', { mode: 0o700 }), member('f', 'x')));
    const other = await applied(archive(dir('./', { mode: 0o711 }), member('f', 'x')));
    const options = { base: join(base, 'diff') };
    // said again: over another root the same files have to be another layer
    expect(await listing(await packed([same], options))).toEqual(['./', 'f = x']);
    expect(await listing(await packed([other], options))).toEqual(['./', 'f = x']);
    expect(await listing(await packed([same]))).toEqual(['./', 'f = x']);
  });
});

describe('writeLayer', () => {
  const tar = archive(member('f', Buffer.alloc(2_000_000, 'text ')));

  test.each(['gzip', 'zstd', 'none'] as const)(
    '%s: digests and sizes of what the sink got',
    async (compression) => {
      const path = join(scratch(), 'blob');
      const fd = openSync(path, 'w');
      const made = await writeLayer(chunked(tar, 100_000), { compression, sink: fileSink(fd) });
      closeSync(fd);
      const blob = readFileSync(path);
      expect(made).toEqual({
        diffId: digestOf(tar),
        digest: digestOf(blob),
        size: blob.length,
        tarSize: tar.length,
      });
      if (compression === 'gzip') expect(gunzipSync(blob).equals(tar)).toBe(true);
    },
  );

  test('a failing sink fails it', async () => {
    const sink = {
      write: () => {
        throw new Error('full');
      },
      end: () => {},
    };
    for (const compression of ['gzip', 'none'] as const) {
      await expect(writeLayer(chunked(tar), { compression, sink })).rejects.toThrow('full');
    }
    const fd = openSync('/dev/full', 'w');
    await expect(writeLayer(chunked(tar), { compression: 'none', sink: fileSink(fd) })).rejects.toThrow(
      'ENOSPC',
    );
    closeSync(fd);
  });
});
