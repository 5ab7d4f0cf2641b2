/**
 * A process that works on a store until its rounds are over or somebody kills it:
 * `node store-child.ts <root> <rounds> <seed> <verb,verb,…>`. Prints `ready` first; exits 1 on any unexpected error.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { digestOf } from '../../src/base/digest.ts';
import { BldError } from '../../src/base/errors.ts';
import { openStore } from '../../src/store/store.ts';
import type { Store } from '../../src/store/types.ts';

const [root = '', rounds = '1', seed = '1', verbs = ''] = process.argv.slice(2);

let state = Number(seed) * 2654435761;
/** A whole number below `limit`, the same for the same seed (mulberry32). */
function random(limit: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % limit;
}

const content = (number: number) => Buffer.alloc(100_000 + number * 50_000, `content of blob ${number} `);

async function* slowly(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 65_536) {
    yield bytes.subarray(at, at + 65_536);
    await new Promise((done) => setImmediate(done));
  }
}

async function ingest(store: Store, number: number) {
  const bytes = content(number);
  const blob = { mediaType: 'tar', digest: digestOf(bytes), size: bytes.length };
  await store.blobs.ingest(blob, async (offset) => Readable.from(slowly(bytes.subarray(offset))));
  return blob;
}

async function unpack(store: Store, number: number) {
  const diffId = digestOf(`layer ${number}`);
  await store.layers.ensure(diffId, async (directory) => {
    for (let file = 0; file < 20; file++)
      writeFileSync(join(directory, 'diff', String(file)), `file ${file}`);
    await new Promise((done) => setImmediate(done));
    return { size: 20 };
  });
  return diffId;
}

/** What a command that meets another one's result may say. */
function isExpected(error: unknown): boolean {
  return error instanceof BldError && ['E_NOT_FOUND', 'E_IN_USE', 'E_EXISTS'].includes(error.code);
}

const VERBS: Readonly<Record<string, (store: Store, number: number) => Promise<void>>> = {
  async pull(store, number) {
    const layers = [
      { diffId: await unpack(store, number), blob: await ingest(store, number) },
      { diffId: digestOf(`tar ${number % 3}`), blob: await ingest(store, number % 3) },
    ];
    const manifest = { mediaType: 'manifest', bytes: Buffer.from(`manifest ${number}`) };
    const names = [`image:${number}`, 'image:latest'];
    await store.images.add({
      config: Buffer.from(`config ${number}`),
      manifest,
      layers,
      names,
      created: number,
    });
  },
  async tag(store, number) {
    store.images.tag(digestOf(`config ${number}`), [`tag:${random(5)}`]);
  },
  async build(store, number) {
    const container = store.containers.create(
      { imageId: null, imageName: 'scratch', layers: [], state: null },
      { base: 'build', unique: true },
    );
    using _lease = await store.leases.hold(`container:${container.id}`, 'exclusive');
    writeFileSync(join(store.containers.directories(container.id).upper, 'file'), 'built');
    const diffId = digestOf(`built ${number} ${process.pid} ${random(1000)}`);
    store.containers.freeze(container.id, { diffId, size: 5, change: () => 'built' });
    store.steps.put({ key: diffId, diffId, result: null, inputs: [], site: 'build' });
    await store.images.add({
      config: Buffer.from(`built ${number}`),
      layers: [{ diffId }],
      created: 1,
      names: ['built:1'],
    });
    store.containers.remove(container.id);
  },
  async remove(store, number) {
    store.images.remove(digestOf(`config ${number}`));
  },
  async hold(store) {
    await store.leases.hold('container:x', 'exclusive');
    process.stdout.write('holding\n');
    await new Promise((done) => setTimeout(done, 600_000));
  },
  async collect(store) {
    store.steps.remove(
      store.steps
        .list()
        .slice(5)
        .map(({ key }) => key),
    );
    store.collect({ grace: 0 });
  },
};

process.stdout.write('ready\n');
const names = verbs.split(',');
for (let round = 0; round < Number(rounds); round++) {
  // Each round is a process's life as far as the store can tell.
  using store = openStore({ root, runroot: `${root}.run`, mode: 'root' });
  try {
    await VERBS[names[random(names.length)] ?? '']?.(store, random(6));
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}
