/**
 * Deleted files: OCI layers say it by names (image-spec, "layer.md", Whiteouts), overlay by 0:0 devices and an attribute
 * of directories (kernel, "overlayfs.rst", whiteouts and opaque directories).
 */
import { BldError } from '../base/errors.ts';
import { type Stat, sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { shownPath } from './tar/entry.ts';
import type { Location } from './types.ts';

type Marks = StoreKind['xattrs'];

const WHITEOUT = Buffer.from('.wh.');
/** Names that AUFS kept for itself; of them only the opaque marker means something today. */
const META = Buffer.from('.wh..wh.');
const OPAQUE = Buffer.from('.wh..wh..opq');
const YES = Buffer.from('y');

/** What a layer's entry is, by its name. */
export type Naming =
  | { readonly kind: 'object' }
  | { readonly kind: 'whiteout'; readonly name: Buffer }
  | { readonly kind: 'opaque' }
  /** AUFS's own books, in layers of old docker versions. */
  | { readonly kind: 'ignored' };

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return bytes.length >= prefix.length && bytes.subarray(0, prefix.length).equals(prefix);
}

/** True for names that a layer cannot hold as files. */
export function isWhiteoutName(name: Buffer): boolean {
  return startsWith(name, WHITEOUT);
}

/** Judges a member by its components. E_ARCHIVE for whiteouts of nothing, of `.` and `..`, and for entries below a whiteout. */
export function namingOf(parts: readonly Buffer[]): Naming {
  const name = parts.at(-1);
  if (!name || !parts.some(isWhiteoutName)) return { kind: 'object' };
  const refuse = (why: string) =>
    new BldError('E_ARCHIVE', `layer entry ${shownPath(Buffer.from(parts.join('/')))}: ${why}`);
  if (name.equals(OPAQUE) && !parts.slice(0, -1).some(isWhiteoutName)) return { kind: 'opaque' };
  if (parts.some((part) => startsWith(part, META) && !part.equals(OPAQUE))) return { kind: 'ignored' };
  if (parts.slice(0, -1).some(isWhiteoutName)) throw refuse('a whiteout is no directory');
  const hidden = name.subarray(WHITEOUT.length);
  if (hidden.length === 0) throw refuse('a whiteout of nothing');
  if (hidden.equals(Buffer.from('.')) || hidden.equals(Buffer.from('..'))) {
    throw refuse('a whiteout of its own directory');
  }
  return { kind: 'whiteout', name: hidden };
}

/** The member's path that says "`path` is deleted". */
export function whiteoutPath(path: Buffer): Buffer {
  const slash = path.lastIndexOf(0x2f) + 1;
  return Buffer.concat([path.subarray(0, slash), WHITEOUT, path.subarray(slash)]);
}

/** The member's path that says "nothing of the layers below is in directory `path`"; empty for the root. */
export function opaquePath(path: Buffer): Buffer {
  return path.length === 0 ? OPAQUE : Buffer.concat([path, Buffer.from('/'), OPAQUE]);
}

/** True for overlay's mark of a deleted name. */
export function isWhiteout(stat: Pick<Stat, 'type' | 'major' | 'minor'>): boolean {
  return stat.type === 'char' && stat.major === 0 && stat.minor === 0;
}

/** Makes the mark; nothing may be there. The kernel lets everybody make this one device. */
export function makeWhiteout({ dir, name }: Location): void {
  sys().mknod(dir, name, 'char', 0, 0, 0);
}

export function isOpaque({ dir, name }: Location, marks: Marks): boolean {
  return sys().getXattr(dir, name, `${marks}.overlay.opaque`)?.equals(YES) ?? false;
}

/** Marks a directory of the tree: overlay shows nothing of the layers below in it. */
export function makeOpaque({ dir, name }: Location, marks: Marks): void {
  sys().setXattr(dir, name, Buffer.from(`${marks}.overlay.opaque`), YES);
}
