import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../base/digest.ts';
import { BldError, explain } from '../base/errors.ts';
import { makeDirectories } from '../base/fs.ts';
import { changes } from '../layers/diff.ts';
import { extractArchive } from '../layers/extract.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { packLayer } from '../layers/pack.ts';
import { sys } from '../native/sys.ts';
import type { Engine } from './engine.ts';
import { pacedChunks } from './pace.ts';
import { layerStack } from './rootfs.ts';

/** All files of an image as one tar: what a container of it would see. */
async function filesOf(engine: Engine, image: Digest): Promise<AsyncIterable<Buffer>> {
  const record = engine.store.images.get(image);
  if (!record) throw new BldError('E_NOT_FOUND', `${image}: image not known`);
  const stack = await layerStack(
    engine,
    record.layers.map(({ diffId }) => diffId),
  );
  const tree = changes([...stack], { kind: engine.store.kind, flatten: true });
  return pacedChunks(packLayer(tree), engine.signal);
}

/** Writes an image's files as a tar: to a path, or to a stream, which is left open. */
export async function exportTar(engine: Engine, image: Digest, target: string | Writable): Promise<void> {
  const tar = await filesOf(engine, image);
  try {
    if (typeof target === 'string') await pipeline(tar, createWriteStream(target));
    else await pipeline(tar, target, { end: false });
  } catch (error) {
    throw explain(error, `writing ${typeof target === 'string' ? target : 'standard output'}`);
  }
}

/** Writes an image's files into a directory, made when missing: all of them the caller's own. */
export async function exportDirectory(engine: Engine, image: Digest, directory: string): Promise<void> {
  const tar = await filesOf(engine, image);
  try {
    makeDirectories(directory);
    const root = sys().openRoot(directory);
    try {
      const ownerFile = ownerFileOf(`${engine.store.scratch()}/exported`);
      const target = { root, destination: Buffer.alloc(0), owners: 'real', ownerFile } as const;
      await extractArchive(tar, target, { chown: { uid: 0, gid: 0 } });
    } finally {
      sys().close(root);
    }
  } catch (error) {
    throw explain(error, `writing ${directory}`);
  }
}
