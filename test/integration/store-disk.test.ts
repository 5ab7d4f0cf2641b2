import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/base/digest.ts';
import { openStore } from '../../src/store/store.ts';
import type { Store } from '../../src/store/types.ts';

let base: string;
let disk: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'bld-disk-'));
  disk = join(base, 'disk');
  mkdirSync(disk);
});
afterEach(() => {
  try {
    execFileSync('umount', [disk], { stdio: 'ignore' });
  } catch {
    // this test mounted nothing
  }
  rmSync(base, { recursive: true, force: true });
});

const isRoot = process.geteuid?.() === 0;
const mount = (...args: string[]) => execFileSync('mount', [...args, disk]);
const open = (): Store => openStore({ root: join(disk, 'root'), runroot: join(base, 'run'), mode: 'root' });
const free = () => statfsSync(disk).bavail * statfsSync(disk).bsize;

function fill() {
  for (let chunk = 4096 * 256; chunk >= 4096; chunk /= 2) {
    try {
      for (;;) writeFileSync(join(disk, 'filler'), Buffer.alloc(chunk), { flag: 'a' });
    } catch {
      // smaller pieces may still fit
    }
  }
}

async function* blocks(size: number) {
  for (let at = 0; at < size; at += 65_536) yield Buffer.alloc(Math.min(65_536, size - at), 1);
}

describe.skipIf(!isRoot)('a full disk (needs root, to mount a small one)', () => {
  test('ingest: refused before the first byte when the size is known', async () => {
    mount('-t', 'tmpfs', '-o', 'size=4m', 'none');
    using store = open();
    const blob = { mediaType: 'x', digest: digestOf('never'), size: 50_000_000 };
    await expect(store.blobs.ingest(blob, () => Promise.reject(new Error('asked')))).rejects.toMatchObject({
      code: 'E_DISK_FULL',
      message: expect.stringMatching(/needs 50\.0 MB, \d+\.\d [kM]B free, in /),
    });
  });

  test('whatever fails gives its space back, and works once there is space', async () => {
    mount('-t', 'tmpfs', '-o', 'size=8m', 'none');
    using store = open();
    const { id } = await store.images.add({
      config: Buffer.from('1'),
      layers: [],
      created: 1,
      names: ['a:1'],
    });
    const before = free();
    const isFull = expect.objectContaining({ code: 'E_DISK_FULL' });

    await expect(store.blobs.ingestUnknown(() => Readable.from(blocks(20_000_000)))).rejects.toEqual(isFull);
    expect(free()).toBe(before);

    const bytes = Buffer.alloc(3_000_000, 7);
    const blob = { mediaType: 'x', digest: digestOf(bytes), size: bytes.length };
    async function* filling() {
      yield bytes.subarray(0, 1_500_000);
      fill(); // another process takes the rest between our look at the disk and our end
      yield bytes.subarray(1_500_000);
    }
    await expect(store.blobs.ingest(blob, async () => Readable.from(filling()))).rejects.toEqual(isFull);
    await expect(store.blobs.put(Buffer.alloc(2_000_000))).rejects.toEqual(isFull);
    await expect(
      store.layers.ensure(digestOf('layer'), async (directory) => {
        writeFileSync(join(directory, 'diff/file'), Buffer.alloc(2_000_000));
        return { size: 1 };
      }),
    ).rejects.toEqual(isFull);
    expect(store.images.find('a:1')?.id).toBe(id);

    rmSync(join(disk, 'filler'));
    expect(free()).toBeGreaterThan(before - 300_000); // the index's log may have grown
    await store.blobs.ingest(blob, async (offset) => Readable.from([bytes.subarray(offset)]));
    expect(await store.check()).toEqual([]);
  });

  test('not one byte left: reading goes on, a failed change is undone, and removing makes space', async () => {
    mount('-t', 'tmpfs', '-o', 'size=8m', 'none');
    const store = open();
    const { id } = await store.images.add({
      config: Buffer.from('1'),
      layers: [],
      created: 1,
      names: ['a:1'],
    });
    const { digest } = await store.blobs.put(Buffer.alloc(1_000_000, 'x'));
    store[Symbol.dispose]();
    fill();
    using again = open();
    expect(again.images.find('a:1')?.id).toBe(id);
    await expect(again.blobs.put(Buffer.alloc(2_000_000))).rejects.toMatchObject({ code: 'E_DISK_FULL' });
    const names = Array.from({ length: 2000 }, (_, n) => `${'long'.repeat(100)}:${n}`);
    expect(() => again.images.tag(id, names)).toThrow(expect.objectContaining({ code: 'E_DISK_FULL' }));
    expect(again.images.get(id)?.names).toEqual(['a:1']);
    again.images.remove(id);
    expect(again.collect({ grace: 0 }).blobs).toBe(2);
    expect(again.blobs.has(digest)).toBe(false);
    await again.blobs.put(Buffer.alloc(500_000));
  });

  test('no inodes left', async () => {
    mount('-t', 'tmpfs', '-o', 'size=8m,nr_inodes=40', 'none');
    using store = open();
    const failing = async () => {
      for (let n = 0; n < 100; n++) await store.blobs.put(Buffer.from(String(n)));
    };
    await expect(failing()).rejects.toMatchObject({ code: 'E_DISK_FULL' });
    expect(await store.check()).toEqual([]);
  });
});

describe.skipIf(!isRoot)('a read-only store (needs root, to remount)', () => {
  test.for([true, false])('reads, and says where it cannot write (clean shutdown: %j)', async (clean) => {
    mount('-t', 'tmpfs', 'none');
    const writer = open();
    const blob = await writer.blobs.put(Buffer.from('bytes'));
    const layers = [{ diffId: digestOf('tar'), blob }];
    const { id } = await writer.images.add({ config: Buffer.from('1'), layers, created: 1, names: ['a:1'] });
    if (clean) writer[Symbol.dispose]();
    else execFileSync('cp', ['-a', join(disk, 'root'), join(disk, 'killed')]); // as kill -9 leaves it
    const root = join(disk, clean ? 'root' : 'killed');
    writer[Symbol.dispose]();
    mount('-o', 'remount,ro');

    using store = openStore({ root, runroot: join(base, 'run'), mode: 'root' });
    expect(store.images.find('a:1')?.id).toBe(id);
    expect(store.blobs.read(blob.digest).toString()).toBe('bytes');
    await store.blobs.put(Buffer.from('bytes')); // there already
    (await store.leases.hold(`image:${id}`, 'shared'))[Symbol.dispose]();
    const denied = expect.objectContaining({ code: 'E_PERMISSION', message: expect.stringContaining(root) });
    expect(() => store.images.tag(id, ['b:1'])).toThrow(denied);
    expect(() => store.leases.tryHold('k', 'exclusive')).toThrow(denied);
    await expect(store.blobs.put(Buffer.from('other'))).rejects.toEqual(denied);
    expect(await store.check()).toEqual([]);
    expect(readdirSync(join(root, 'tmp'))).toContain('partial');
  });
});
