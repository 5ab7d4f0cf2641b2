import { type Fd, sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { joined } from './directories.ts';
import { type OwnerWriter, ownerWriter } from './owner.ts';
import { memberPath, type TarEntry, type TarHeader, type TarLimits } from './tar/entry.ts';
import { readTar } from './tar/read.ts';
import { Tree } from './tree.ts';

/** An existing root file system (a mount, an upper directory) and a place in it. */
export interface ExtractTarget {
  readonly root: Fd;
  /** Below the root, as bytes, without `..`; made if missing; symlinks on the way resolve inside of the root. */
  readonly destination: Buffer;
  readonly owners: StoreKind['owners'];
  /** Of the tree that the root's changes end up in (see `ownerFileOf`). */
  readonly ownerFile: string;
}

export interface ExtractOptions {
  /** Instead of the archive's own. */
  readonly chown?: { readonly uid: number; readonly gid: number };
  /** Instead of the archive's own, for all but symlinks: 0..0o7777. */
  readonly chmod?: number;
  readonly limits?: TarLimits;
  /** Called before each entry is made, with its path below the root. */
  readonly onEntry?: (header: TarHeader, path: Buffer) => void;
}

/**
 * Unpacks a plain tar over what is there, as ADD does: directories are merged, everything else is replaced, a directory
 * replaces a symlink; names that begin with `.wh.` are files like others. An entry for the archive's root changes nothing.
 */
export async function extractArchive(
  tar: AsyncIterable<Uint8Array>,
  target: ExtractTarget,
  options: ExtractOptions = {},
): Promise<void> {
  const base = memberPath(target.destination);
  const writer = ownerWriter(target.owners, target.ownerFile);
  await using outer = new Tree(target.root, { writer });
  outer.directories.open(base);
  // the archive's own links end where it is unpacked
  const root = outer.directories.openApart(base);
  using _ = { [Symbol.dispose]: () => sys().close(root) };
  await using tree = new Tree(root, { writer: below(base, writer) });
  for await (const entry of readTar(tar, options.limits)) {
    const parts = memberPath(entry.path);
    if (parts.length === 0) continue;
    const whole = [...base, ...parts];
    options.onEntry?.(entry, joined(whole));
    await tree.place(parts, changed(entry, options));
  }
  await tree.finish();
  await outer.finish();
}

/** A writer for a tree that is a part of its own: paths are those of the whole. */
function below(base: readonly Buffer[], writer: OwnerWriter): OwnerWriter {
  const whole = (path: Buffer) => (base.length > 0 ? joined([...base, path]) : path);
  return {
    ...writer,
    set: (at, meta, path) => writer.set(at, meta, whole(path)),
    setDevice: (at, meta, path) => writer.setDevice(at, meta, whole(path)),
  };
}

function changed(entry: TarEntry, { chown, chmod }: ExtractOptions): TarEntry {
  if (!chown && chmod === undefined) return entry;
  return { ...entry, ...chown, ...(chmod !== undefined && entry.type !== 'symlink' && { mode: chmod }) };
}
