import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import { sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { joined } from './directories.ts';
import { ImpliedDirectories } from './implied.ts';
import { ownerWriter } from './owner.ts';
import { ownerFileOf } from './owner-file.ts';
import { setTime } from './place.ts';
import { memberPath, shownPath, type TarEntry, type TarHeader, type TarLimits } from './tar/entry.ts';
import { readTar } from './tar/read.ts';
import { Tree } from './tree.ts';
import type { Location } from './types.ts';
import { makeOpaque, makeWhiteout, namingOf } from './whiteout.ts';

/** Where a layer is unpacked: `<directory>/diff` becomes the tree, `<directory>/owners` its side file where one is needed. */
export interface LayerTarget extends StoreKind {
  readonly directory: string;
}

export interface ApplyOptions {
  /** The trees of the layers below, uppermost first, as far as known: for parents that the layer has no entries for. */
  readonly below?: readonly string[];
  readonly limits?: TarLimits;
  readonly onEntry?: (header: TarHeader) => void;
}

const ROOT = Buffer.alloc(0);

/**
 * Unpacks one layer's tar into an empty directory, to be an overlay lower directory: whiteouts become overlay's marks and
 * are not carried out. Nothing outside of `diff` is touched whatever the tar says. E_ARCHIVE, E_PATH, E_LIMIT,
 * E_DISK_FULL; then the directory is in no state to be used. Returns the files' bytes.
 */
export async function applyLayer(
  tar: AsyncIterable<Uint8Array>,
  target: LayerTarget,
  { limits, onEntry, below = [] }: ApplyOptions = {},
): Promise<{ size: number }> {
  const diff = join(target.directory, 'diff');
  try {
    mkdirSync(diff);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  const root = sys().openRoot(diff);
  try {
    const at: Location = { dir: root, name: ROOT };
    sys().chmod(root, ROOT, 0o755);
    using implied = new ImpliedDirectories(below, target);
    const layer = new Layer(at, target, implied);
    await using tree = layer.tree;
    let size = 0;
    for await (const entry of readTar(tar, limits)) {
      onEntry?.(entry);
      size += entry.size;
      await layer.take(entry);
    }
    await tree.finish();
    setTime(at, layer.rootTime);
    return { size };
  } finally {
    sys().close(root);
  }
}

/** The rules of image-spec "layer.md": a whiteout hides what lower layers have, never what its own layer brings. */
class Layer {
  readonly tree: Tree;
  rootTime = 0n;
  readonly #root: Location;
  readonly #target: LayerTarget;
  readonly #writer;
  /** Paths with a whiteout: a directory at one of them shows nothing of the layers below. */
  readonly #hidden = new Set<string>();

  constructor(root: Location, target: LayerTarget, implied: ImpliedDirectories) {
    this.#root = root;
    this.#target = target;
    this.#writer = ownerWriter(target.owners, ownerFileOf(join(target.directory, 'diff')));
    this.tree = new Tree(root.dir, {
      writer: this.#writer,
      implied: (path) => implied.find(path),
      onDirectory: (at, path) => {
        if (this.#hidden.has(path.toString('latin1'))) makeOpaque(at, target.xattrs);
      },
    });
  }

  async take(entry: TarEntry): Promise<void> {
    const parts = memberPath(entry.path);
    if (parts.length === 0) return this.#takeRoot(entry);
    const naming = namingOf(parts);
    switch (naming.kind) {
      case 'object':
        return this.tree.place(parts, entry);
      case 'whiteout':
        await this.tree.settle();
        return this.#hide([...parts.slice(0, -1), naming.name]);
      case 'opaque':
        await this.tree.settle();
        return this.#hideAll(parts.slice(0, -1));
      case 'ignored':
        return;
    }
  }

  #takeRoot(entry: TarEntry): void {
    if (entry.type !== 'dir') {
      throw new BldError(
        'E_ARCHIVE',
        `layer entry ${shownPath(entry.path)}: the root is made a ${entry.type}`,
      );
    }
    this.#writer.set(this.#root, { ...entry, type: 'dir' }, ROOT);
    this.rootTime = entry.mtime;
  }

  #hide(parts: readonly Buffer[]): void {
    const path = joined(parts);
    this.#hidden.add(path.toString('latin1'));
    const at = this.tree.directories.locate(parts);
    const found = sys().stat(at.dir, at.name);
    if (!found) makeWhiteout(at);
    else if (found.type === 'dir') makeOpaque(at, this.#target.xattrs);
  }

  #hideAll(parts: readonly Buffer[]): void {
    const parent = parts.length === 0 ? this.#root : null;
    const at = parent ?? { dir: this.tree.directories.open(parts), name: ROOT };
    makeOpaque(at, this.#target.xattrs);
  }
}
