import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileQueue } from '../../../src/layers/file-queue.ts';
import { setTime } from '../../../src/layers/place.ts';
import { sys } from '../../../src/native/sys.ts';

const ids = { uid: -1, gid: -1 };
const TIME = 1_600_000_000_123_456_789n;
let root = '';
let dir = -1;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bld-queue-'));
  dir = sys().openRoot(root);
});
afterEach(() => {
  sys().close(dir);
  rmSync(root, { recursive: true });
});

/** What `add` takes, with a `make` that says that it was asked. */
function file(text: string, asked: string[] = [], replace = false) {
  const make = () => void asked.push(text);
  return { data: Buffer.from(text), object: { mode: 0o640, mtime: TIME }, ids, replace, make };
}

async function addAll(queue: FileQueue, texts: readonly string[], asked: string[]): Promise<void> {
  for (const text of texts) await queue.add({ dir, name: Buffer.from(text) }, root, file(text, asked));
}

test('many files, with bytes, mode and time', async () => {
  await using queue = new FileQueue();
  const asked: string[] = [];
  const names = Array.from({ length: 700 }, (_, index) => `${'n'.repeat(index % 200)}${index}`);
  await addAll(queue, names, asked);
  expect(queue.idle).toBe(false);
  await queue.settle();
  expect(queue.idle).toBe(true);
  expect(asked).toEqual([]);
  for (const name of names) expect(readFileSync(join(root, name), 'utf8')).toBe(name);
  const { mode, mtimeNs } = statSync(join(root, names[5] ?? ''), { bigint: true });
  expect([mode & 0o777n, mtimeNs]).toEqual([0o640n, TIME]);
});

test('what cannot be made quickly is handed back in its turn, and the rest goes on', async () => {
  await using queue = new FileQueue();
  for (const name of ['b', 'd']) writeFileSync(join(root, name), 'old');
  const asked: string[] = [];
  await addAll(queue, [...'abcdefghij'], asked);
  await queue.settle();
  expect(asked).toEqual(['b', 'd']);
  expect(readFileSync(join(root, 'j'), 'utf8')).toBe('j');
  expect(readFileSync(join(root, 'b'), 'utf8')).toBe('old');
});

test('with `replace` files and links give way, directories do not', async () => {
  await using queue = new FileQueue();
  writeFileSync(join(root, '0'), 'old');
  symlinkSync('/etc/passwd', join(root, '1'));
  mkdirSync(join(root, '2'));
  const asked: string[] = [];
  for (let index = 0; index < 20; index++) {
    const text = String(index);
    await queue.add({ dir, name: Buffer.from(text) }, root, file(text, asked, true));
  }
  await queue.settle();
  expect(asked).toEqual(['2']);
  expect(['0', '1'].map((name) => readFileSync(join(root, name), 'utf8'))).toEqual(['0', '1']);
});

test('a directory is held by the queue itself, and gets its time after its files', async () => {
  await using queue = new FileQueue();
  for (const name of ['one', 'two']) {
    mkdirSync(join(root, name));
    const below = sys().openIn(dir, Buffer.from(name), 0o200000);
    for (const text of 'abcd') await queue.add({ dir: below, name: Buffer.from(text) }, name, file(text));
    sys().close(below);
    await queue.setTime({ dir, name: Buffer.from(name) }, root, TIME);
  }
  await queue.settle();
  for (const name of ['one', 'two']) {
    expect(readFileSync(join(root, name, 'd'), 'utf8')).toBe('d');
    expect(statSync(join(root, name), { bigint: true }).mtimeNs).toBe(TIME);
  }
});

test('the first error is told, and nothing behind it is made', async () => {
  await using queue = new FileQueue();
  writeFileSync(join(root, 'bad'), 'old');
  const failing = { ...file('x'), make: () => setTime({ dir, name: Buffer.from('nosuch') }, TIME) };
  await addAll(queue, [...'abcdef'], []);
  await queue.add({ dir, name: Buffer.from('bad') }, root, failing);
  await addAll(queue, ['behind'], []);
  await expect(queue.settle()).rejects.toThrow(/ENOENT.*nosuch/);
  expect(statSync(join(root, 'behind'), { throwIfNoEntry: false })).toBeUndefined();
});

test('a name too long for any file is asked for at once', async () => {
  await using queue = new FileQueue();
  const asked: string[] = [];
  await queue.add({ dir, name: Buffer.alloc(300, 'n') }, root, file('long', asked));
  expect(asked).toEqual(['long']);
});
