import { lstatSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRoot } from '../layers/root.ts';
import type { StoreKind } from '../store/types.ts';

/**
 * Takes away what a RUN's mount points leave in the upper directory: directories that overlay copied up, that hold
 * nothing, and that are what the layers below (uppermost first) say anyway. So a command that changes nothing makes no
 * layer. Only chains of directories alone are looked at: where files are, something changed.
 */
export function pruneCopiedUp(upper: string, below: readonly string[], kind: StoreKind): void {
  for (const name of directoriesAlone(upper) ?? []) prune(name, { upper, below, kind });
}

interface Trees {
  readonly upper: string;
  readonly below: readonly string[];
  readonly kind: StoreKind;
}

/** The names in a directory that holds nothing but directories. */
function directoriesAlone(path: string): string[] | null {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.every((entry) => entry.isDirectory()) ? entries.map(({ name }) => name) : null;
}

function prune(path: string, trees: Trees): void {
  const own = join(trees.upper, path);
  const before = lstatSync(own, { bigint: true });
  const names = directoriesAlone(own);
  if (names === null) return;
  for (const name of names) prune(join(path, name), trees);
  if (readdirSync(own).length > 0) return;
  const other = trees.below
    .map((tree) => join(tree, path))
    .find((tree) => lstatSync(tree, { throwIfNoEntry: false }));
  if (other === undefined) return;
  const lower = lstatSync(other, { bigint: true });
  const same = lower.isDirectory() && before.mtimeNs === lower.mtimeNs && sameMeta(own, other, trees.kind);
  if (same) rmdirSync(own);
}

/** Mode, owner and attributes alike, by the records too; a directory is read as a tree's root is. */
function sameMeta(one: string, other: string, kind: StoreKind): boolean {
  const [a, b] = [readRoot(one, kind), readRoot(other, kind)];
  const attributes = (meta: typeof a) =>
    JSON.stringify([...(meta.xattrs ?? [])].map(([name, value]) => [name, value.toString('hex')]).sort());
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && attributes(a) === attributes(b);
}
