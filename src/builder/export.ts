import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../base/digest.ts';
import { BldError, explain } from '../base/errors.ts';
import { makeDirectories } from '../base/fs.ts';
import { standardOutput } from '../base/streams.ts';
import { changes } from '../layers/diff.ts';
import { extractArchive } from '../layers/extract.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { packLayer } from '../layers/pack.ts';
import type { Change } from '../layers/types.ts';
import { sys } from '../native/sys.ts';
import type { Engine } from './engine.ts';
import { pacedChunks } from './pace.ts';
import { layerStack } from './rootfs.ts';

/** One more file of an output, made of the files that it stands beside. Dispose it when it is written. */
export type Beside = (files: Iterable<Change>) => Promise<Disposable & { readonly change: Change }>;

/** The files of one image, and the directory that they go to; null for where the output begins. */
export interface FilesOf {
  readonly image: Digest;
  readonly directory: string | null;
  readonly beside?: readonly Beside[] | undefined;
}

/** All files of an image: what a container of it would see. */
async function treeOf(engine: Engine, image: Digest): Promise<Iterable<Change>> {
  const record = engine.store.images.get(image);
  if (!record) throw new BldError('E_NOT_FOUND', `${image}: image not known`);
  const stack = await layerStack(
    engine,
    record.layers.map(({ diffId }) => diffId),
  );
  return changes([...stack], { kind: engine.store.kind, flatten: true });
}

/** The same tree in a directory; its hardlinks are among themselves. */
function* below(directory: string, tree: Iterable<Change>): Generator<Change> {
  for (const change of tree) {
    const path = Buffer.from(change.path.length === 0 ? directory : `${directory}/`);
    const moved = Buffer.concat([path, change.path]);
    if (change.kind !== 'entry') yield { ...change, path: moved };
    else yield { ...change, path: moved, inode: change.inode && `${directory} ${change.inode}` };
  }
}

function* followed(tree: Iterable<Change>, last: readonly Change[]): Generator<Change> {
  yield* tree;
  yield* last;
}

/** One tree after the other; E_EXISTS when two of them have the same file. */
function* together(trees: readonly Iterable<Change>[]): Generator<Change> {
  const seen = new Map<string, number>();
  for (const [at, tree] of trees.entries()) {
    for (const change of tree) {
      const path = change.path.toString('latin1');
      const isDirectory = change.kind === 'entry' && change.meta.type === 'dir';
      const before = seen.get(path);
      if (before !== undefined && isDirectory) continue;
      if (before !== undefined && before !== at) {
        throw new BldError(
          'E_EXISTS',
          `two platforms have the file ${JSON.stringify(change.path.toString())}`,
          {
            hint: 'give each a directory of its own: leave platform-split=false out',
          },
        );
      }
      if (trees.length > 1) seen.set(path, at);
      yield change;
    }
  }
}

async function tarOf(
  engine: Engine,
  all: readonly FilesOf[],
  stack: DisposableStack,
): Promise<AsyncIterable<Buffer>> {
  const trees: Iterable<Change>[] = [];
  for (const { image, directory, beside } of all) {
    const files = await treeOf(engine, image);
    const more: Change[] = [];
    for (const make of beside ?? []) more.push(stack.use(await make(await treeOf(engine, image))).change);
    const tree = followed(files, more);
    trees.push(directory === null ? tree : below(directory, tree));
  }
  return pacedChunks(packLayer(together(trees)), engine.signal);
}

/** Writes the files of images as a tar to a path; `/dev/stdout` is standard output. */
export async function exportTar(engine: Engine, all: readonly FilesOf[], path: string): Promise<void> {
  using stack = new DisposableStack();
  const tar = await tarOf(engine, all, stack);
  try {
    const output = standardOutput(path);
    if (output) await pipeline(tar, output, { end: false });
    else await pipeline(tar, createWriteStream(path));
  } catch (error) {
    throw explain(error, `writing ${path}`);
  }
}

/** Writes the files of images into a directory, made when missing: all of them the caller's own. */
export async function exportDirectory(
  engine: Engine,
  all: readonly FilesOf[],
  directory: string,
): Promise<void> {
  using stack = new DisposableStack();
  const tar = await tarOf(engine, all, stack);
  try {
    makeDirectories(directory);
    const root = sys().openRoot(directory);
    try {
      const ownerFile = ownerFileOf(join(engine.store.scratch(), 'exported'));
      const target = { root, destination: Buffer.alloc(0), owners: 'real', ownerFile } as const;
      await extractArchive(tar, target, { chown: { uid: 0, gid: 0 } });
    } finally {
      sys().close(root);
    }
  } catch (error) {
    throw explain(error, `writing ${directory}`);
  }
}
