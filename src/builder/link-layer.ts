import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../base/digest.ts';
import { changes } from '../layers/diff.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { sys } from '../native/sys.ts';
import type { Container } from './container.ts';
import type { Engine } from './engine.ts';
import { measure } from './freeze.ts';
import { resolveOwner } from './ownership.ts';
import { openRootfs, type Rootfs } from './rootfs.ts';

/** A tree that a copy writes into. */
export interface CopyPlace extends Rootfs {
  /** Keeps the owners of its files where their own cannot. */
  readonly ownerFile: string;
}

/** The container's files, to be changed. */
export async function containerPlace(container: Container): Promise<CopyPlace> {
  const rootfs = await openRootfs(container);
  const { upper } = container.engine.store.containers.directories(container.id);
  return { fd: rootfs.fd, ownerFile: ownerFileOf(upper), [Symbol.dispose]: () => rootfs[Symbol.dispose]() };
}

/** A tree without files, to be looked at. */
export function emptyPlace({ store }: Engine): CopyPlace {
  const directory = join(store.scratch(), 'empty');
  mkdirSync(directory, { recursive: true });
  return treePlace(directory);
}

/**
 * A layer of what `fill` writes into an empty tree: it stands on no other, and is the same whatever is below. Null when
 * nothing was written.
 */
export async function linkLayer<Result>(
  { store, signal }: Engine,
  fill: (place: CopyPlace) => Promise<Result>,
): Promise<{ readonly value: Result; readonly diffId: Digest | null }> {
  const staged = store.layers.stage();
  const tree = join(staged.directory, 'diff');
  try {
    using place = treePlace(tree);
    const value = await fill(place);
    if (readdirSync(tree).length === 0) {
      staged.discard();
      return { value, diffId: null };
    }
    const { diffId, size } = await measure(changes([tree], { kind: store.kind }), signal);
    store.layers.publish(diffId, staged.directory, size);
    return { value, diffId };
  } catch (error) {
    staged.discard();
    throw error;
  }
}

function treePlace(directory: string): CopyPlace {
  const fd = sys().openRoot(directory);
  return { fd, ownerFile: ownerFileOf(directory), [Symbol.dispose]: () => sys().close(fd) };
}

/** `--chown` in numbers: the container's files are opened for the names of its accounts alone. */
export async function numericOwner(container: Container, text: string): Promise<string> {
  const isNumber = /^\d+(?::\d+)?$/.test(text);
  using place = isNumber ? emptyPlace(container.engine) : await openRootfs(container);
  const { uid, gid } = resolveOwner(place.fd, text);
  return `${uid}:${gid}`;
}
