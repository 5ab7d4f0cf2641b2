import { isErrno } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { type Stat, sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { appendOwners, type Owners, ownerIn, ownerLine } from './owner-file.ts';
import {
  DEVICE,
  isImageXattr,
  isTrusted,
  MODE,
  OWNER,
  PREFIX,
  type Records,
  readRecord,
  XATTR,
} from './records.ts';
import { shownPath } from './tar/entry.ts';
import type { Location, Meta } from './types.ts';

/** How a tree keeps what its file system cannot: from the store's kind, with the tree's side file already read. */
export interface OwnerView {
  readonly owners: StoreKind['owners'];
  readonly side: Owners;
}

/** An object as the image sees it; `stat` is its lstat. */
export function readMeta(at: Location, stat: Stat, { owners, side }: OwnerView): Meta {
  const carries = stat.type === 'file' || stat.type === 'dir';
  const list = carries ? sys().getXattrs(at.dir, at.name) : [];
  const records: Records = {};
  let xattrs: Map<string, Buffer> | null = null;
  const trusted = isTrusted(stat, owners);
  for (const { name: bytes, value } of list) {
    const name = bytes.toString();
    let shown = name;
    if (name.startsWith(PREFIX)) {
      if (!trusted) continue;
      if (!name.startsWith(XATTR)) {
        readRecord(records, name, value);
        continue;
      }
      shown = name.slice(XATTR.length);
    }
    if (!isImageXattr(shown)) continue;
    xattrs ??= new Map();
    xattrs.set(shown, value);
  }
  const real = owners === 'xattr' ? { uid: 0, gid: 0 } : stat;
  const { uid, gid } = records.owner ?? ownerIn(side, stat, at.path) ?? real;
  return {
    type: records.device?.type ?? stat.type,
    mode: records.mode ?? stat.mode,
    uid,
    gid,
    size: stat.type === 'file' && !records.device ? stat.size : 0,
    mtime: stat.mtime,
    major: records.device?.major ?? stat.major,
    minor: records.device?.minor ?? stat.minor,
    xattrs,
  };
}

/** What `OwnerWriter.set` needs of an object. */
export type Ownership = Pick<Meta, 'type' | 'mode' | 'uid' | 'gid' | 'xattrs'>;

/**
 * Gives fresh objects their owner, mode and attributes: for real where the kernel allows it, else by records. `set` goes
 * after the object's data; times come after `set`. `flush` writes the side file: call it once at the end.
 */
export interface OwnerWriter {
  set(at: Location, meta: Ownership, path: Buffer): void;
  /** True when `set` would do no more than chown (skipped when it is `xattr`), chmod: `createFile` can do it in one call. */
  isPlain(meta: Ownership): boolean;
  /** For `createFile`: the ids to give, -1 for "as they come". */
  ids(meta: Ownership): { readonly uid: number; readonly gid: number };
  /** As `set`, for a device that is kept as a record on the fresh, empty regular file at `at`. */
  setDevice(at: Location, meta: Ownership & Pick<Meta, 'major' | 'minor'>, path: Buffer): void;
  /** Makes a real character device; false where only the record of `setDevice` will do. */
  tryDevice(at: Location, device: { readonly major: number; readonly minor: number }): boolean;
  /** True for the error by which the kernel refuses an id. */
  isRefused(error: unknown): boolean;
  flush(): void;
}

/** A writer for a tree of the store's kind, with its side file (see `ownerFileOf`). */
export function ownerWriter(owners: StoreKind['owners'], sideFile: string): OwnerWriter {
  const lines: string[] = [];
  /** Ids that the kernel has refused: outside of the user namespace. */
  const refused = new Set<string>();
  // with no capability at all, a file that its owner cannot read would be closed to us too
  const open = process.geteuid?.() === 0 ? 0 : 0o600;

  const chown = ({ dir, name }: Location, { uid, gid }: Ownership): boolean => {
    if (owners === 'xattr') return uid === 0 && gid === 0;
    if (refused.has(`${uid}:${gid}`)) return false;
    try {
      sys().chown(dir, name, uid, gid);
      return true;
    } catch (error) {
      if (!isErrno(error, 'EINVAL', 'EPERM')) throw error;
      refused.add(`${uid}:${gid}`);
      return false;
    }
  };

  const record = ({ dir, name }: Location, attribute: string, value: string | Buffer) => {
    sys().setXattr(dir, name, Buffer.from(attribute), Buffer.from(value));
  };

  const setXattrs = (at: Location, meta: Ownership, path: Buffer) => {
    for (const [name, value] of meta.xattrs ?? []) {
      if (!isImageXattr(name)) continue;
      try {
        sys().setXattr(at.dir, at.name, Buffer.from(name), value);
      } catch (error) {
        if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL')) throw error;
        const carries = (meta.type === 'file' || meta.type === 'dir') && isErrno(error, 'EPERM');
        if (carries) record(at, XATTR + name, value);
        else log.debug(`${shownPath(path)}: attribute ${name} cannot be kept here`);
      }
    }
  };

  const chmod = (at: Location, meta: Ownership): void => {
    const mode = meta.mode | (open && (meta.type === 'dir' ? 0o700 : open));
    if (mode !== meta.mode) record(at, MODE, meta.mode.toString(8));
    sys().chmod(at.dir, at.name, mode);
  };

  const set = (at: Location, meta: Ownership, path: Buffer): void => {
    const carries = meta.type === 'file' || meta.type === 'dir';
    if (!chown(at, meta)) {
      if (owners === 'real') sys().chown(at.dir, at.name, 0, 0);
      if (carries && isTrusted({ uid: 0, gid: 0, mode: meta.mode }, owners)) {
        record(at, OWNER, `${meta.uid}:${meta.gid}`);
      } else {
        const stat = sys().stat(at.dir, at.name);
        if (stat) lines.push(ownerLine(stat.ino, meta, path));
      }
    }
    // before the mode: without capabilities a read-only file takes no attribute
    if (meta.xattrs) setXattrs(at, meta, path);
    if (meta.type !== 'symlink') chmod(at, meta);
  };

  return {
    set,
    isPlain(meta) {
      if (meta.xattrs !== null || (open && (meta.mode & open) !== open)) return false;
      return owners === 'xattr' ? meta.uid === 0 && meta.gid === 0 : !refused.has(`${meta.uid}:${meta.gid}`);
    },
    ids: ({ uid, gid }) => (owners === 'xattr' ? { uid: -1, gid: -1 } : { uid, gid }),
    setDevice(at, meta, path) {
      record(at, DEVICE, `${meta.type === 'block' ? 'b' : 'c'}:${meta.major}:${meta.minor}`);
      if (owners === 'xattr') {
        set(at, { ...meta, type: 'file', xattrs: null }, path);
        return;
      }
      // root's alone: whoever may write to it could make another device of it
      record(at, OWNER, `${meta.uid}:${meta.gid}`);
      record(at, MODE, meta.mode.toString(8));
      sys().chown(at.dir, at.name, 0, 0);
      sys().chmod(at.dir, at.name, 0o600);
    },
    tryDevice({ dir, name }, { major, minor }) {
      if (owners === 'xattr') return false;
      try {
        sys().mknod(dir, name, 'char', 0o600, major, minor);
        return true;
      } catch (error) {
        if (!isErrno(error, 'EPERM')) throw error;
        return false;
      }
    },
    isRefused: (error) => owners === 'real' && isErrno(error, 'EINVAL', 'EPERM'),
    flush() {
      appendOwners(sideFile, lines.splice(0));
    },
  };
}
