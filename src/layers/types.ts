import type { Digest } from '../base/digest.ts';
import type { Fd, FileType } from '../native/sys.ts';

/** An object's metadata as the image sees it: private records of bld are already read into it and left out of `xattrs`. */
export interface Meta {
  readonly type: FileType;
  /** 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for anything but a regular file. */
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Of devices, else 0. */
  readonly major: number;
  readonly minor: number;
  /** Only those that belong into an image (see `isImageXattr`); null stands for none. */
  readonly xattrs: ReadonlyMap<string, Buffer> | null;
}

/** Where an object's bytes are; the descriptor is open only until the next step of the iteration that gave it. */
export interface Location {
  readonly dir: Fd;
  readonly name: Buffer;
  /** Below the tree's root, where that is known. */
  readonly path?: Buffer;
}

/** An object to be in the layer; `path` as bytes without a leading `/`, empty for the root. */
export interface EntryChange {
  readonly kind: 'entry';
  readonly path: Buffer;
  readonly meta: Meta;
  readonly at: Location;
  /** Same text = same inode; undefined when the object has one name only. */
  readonly inode: string | undefined;
}

/**
 * What a layer says about one path. A directory's entry comes before its `opaque`, that before what is inside;
 * parents come before children, names in the order of their bytes.
 */
export type Change = EntryChange | { readonly kind: 'delete' | 'opaque'; readonly path: Buffer };

export type Compression = 'gzip' | 'zstd' | 'none';

/** What one pass over a layer's bytes found out. */
export interface LayerBytes {
  /** Of the uncompressed tar. */
  readonly diffId: Digest;
  /** Of the bytes on the wire. */
  readonly digest: Digest;
  /** Bytes on the wire. */
  readonly size: number;
  /** Bytes of the uncompressed tar. */
  readonly tarSize: number;
}
