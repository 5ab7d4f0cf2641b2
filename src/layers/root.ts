import { sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { ownerWriter, readMeta } from './owner.ts';
import { ownerFileOf, readOwners } from './owner-file.ts';
import type { Meta } from './types.ts';
import { isOpaque } from './whiteout.ts';

const ROOT = Buffer.alloc(0);

/** A tree's own root directory as the image sees it. */
export function readRoot(tree: string, kind: StoreKind): Meta {
  const fd = sys().openRoot(tree);
  try {
    const stat = sys().stat(fd, ROOT);
    if (!stat) throw new Error('internal: an open directory has no status');
    return readMeta({ dir: fd, name: ROOT }, stat, {
      owners: kind.owners,
      side: readOwners(ownerFileOf(tree)),
    });
  } finally {
    sys().close(fd);
  }
}

/** 0755 root:root without attributes: what an image's root is when no layer says anything about it. */
export function isBareRoot({ mode, uid, gid, xattrs }: Meta): boolean {
  return mode === 0o755 && uid === 0 && gid === 0 && xattrs === null;
}

/** True when nothing but the time differs; the time of a root changes with every file made in it. */
export function sameRoot(meta: Meta, tree: string, kind: StoreKind): boolean {
  const other = readRoot(tree, kind);
  if (meta.mode !== other.mode || meta.uid !== other.uid || meta.gid !== other.gid) return false;
  const mine = meta.xattrs ?? new Map<string, Buffer>();
  const theirs = other.xattrs ?? new Map<string, Buffer>();
  return mine.size === theirs.size && [...mine].every(([name, value]) => theirs.get(name)?.equals(value));
}

/**
 * Gives a fresh upper directory the owner, mode and attributes of the root below it; overlay shows the uppermost
 * root's, so that without this every RUN would see (and commit) a root of its own.
 */
export function inheritRoot(tree: string, upper: string, kind: StoreKind): void {
  const meta = readRoot(tree, kind);
  const writer = ownerWriter(kind.owners, ownerFileOf(upper));
  const fd = sys().openRoot(upper);
  try {
    writer.set({ dir: fd, name: ROOT }, meta, ROOT);
  } finally {
    sys().close(fd);
  }
  writer.flush();
}

/**
 * The part of a stack of trees (uppermost first) that can be seen: nothing below a tree whose root is opaque. Overlay
 * itself does not look for the mark on roots.
 */
export function visibleStack(stack: readonly string[], kind: StoreKind): string[] {
  const bottom = stack.findIndex((tree) => {
    const fd = sys().openRoot(tree);
    try {
      return isOpaque({ dir: fd, name: ROOT }, kind.xattrs);
    } finally {
      sys().close(fd);
    }
  });
  return bottom === -1 ? [...stack] : stack.slice(0, bottom + 1);
}
