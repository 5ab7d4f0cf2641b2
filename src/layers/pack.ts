import { log } from '../base/log.ts';
import { sys } from '../native/sys.ts';
import { changedFile, readBody } from './file-body.ts';
import type { TarHeader } from './tar/entry.ts';
import { shownPath } from './tar/entry.ts';
import { END_OF_ARCHIVE, encodeHeader, padded } from './tar/write.ts';
import type { Change, EntryChange } from './types.ts';
import { isWhiteoutName, opaquePath, whiteoutPath } from './whiteout.ts';

export interface PackOptions {
  /** Times of all entries: `set` to this one, or `clamp`ed so that none is later. Nanoseconds since 1970. */
  readonly timestamp?: { readonly time: bigint; readonly how: 'set' | 'clamp' };
  /** What is to be in the layer; everything when absent. */
  readonly filter?: (change: Change) => boolean;
}

/** Small parts are gathered to about this many bytes, for each chunk costs its consumers a turn. */
const BATCH = 1 << 19;
/** Files up to this size are read at once. */
const SMALL = 1 << 17;
const SLASH = 0x2f;
const EMPTY = Buffer.alloc(0);
const ROOT_NAME = Buffer.from('./');

/** What a mark looks like in the tar: an empty file that says nothing but its name. */
function markHeader(path: Buffer, mtime: bigint): TarHeader {
  const rest = { mode: 0, uid: 0, gid: 0, size: 0, major: 0, minor: 0, xattrs: null, extents: null };
  return { path, type: 'file', linkPath: EMPTY, mtime, ...rest };
}

/**
 * A layer's tar of these changes: the same bytes for the same changes. Files are read while the tar is taken; one that
 * shrinks, grows or changes its type meanwhile is E_INTEGRITY. Files whose names a layer would read as whiteouts are left
 * out with a warning.
 */
export async function* packLayer(
  changes: Iterable<Change>,
  options: PackOptions = {},
): AsyncGenerator<Buffer> {
  let batch: Buffer[] = [];
  let size = 0;
  const add = (part: Buffer) => {
    if (part.length > 0) batch.push(part);
    size += part.length;
  };
  const take = () => {
    const whole = batch.length === 1 && batch[0] ? batch[0] : Buffer.concat(batch, size);
    batch = [];
    size = 0;
    return whole;
  };
  const headerOf = headers(options);
  for (const change of changes) {
    if (options.filter && !options.filter(change)) continue;
    const header = headerOf(change);
    if (!header) continue;
    add(encodeHeader(header));
    if (change.kind === 'entry' && header.size > 0) {
      if (header.size <= SMALL) {
        add(readSmall(change));
      } else {
        if (size > 0) yield take();
        yield* readBody(change);
      }
      add(padded(header.size));
    }
    if (size >= BATCH) yield take();
  }
  add(END_OF_ARCHIVE);
  yield take();
}

function readSmall({ at, meta, path }: EntryChange): Buffer {
  const data = sys().readFile(at.dir, at.name);
  if (data.length !== meta.size) throw changedFile(path, meta.size, data.length);
  return data;
}

/** Changes → headers, with the memory of inodes that hardlinks need; null for what is left out. */
function headers({ timestamp }: PackOptions): (change: Change) => TarHeader | null {
  const inodes = new Map<string, Buffer>();
  /** A directory that a layer cannot hold, with a slash at its end: what is in it is left out too. */
  let omitted: Buffer | null = null;
  const timed = (mtime: bigint) => {
    if (!timestamp) return mtime;
    return timestamp.how === 'set' || mtime > timestamp.time ? timestamp.time : mtime;
  };
  return (change) => {
    const { path } = change;
    if (omitted && path.subarray(0, omitted.length).equals(omitted)) return null;
    if (isWhiteoutName(path.subarray(path.lastIndexOf(SLASH) + 1))) {
      log.warn(`${shownPath(path)} is not in the layer: its name would delete another file there`);
      omitted = Buffer.concat([path, Buffer.from('/')]);
      return null;
    }
    if (change.kind !== 'entry') {
      return markHeader(change.kind === 'delete' ? whiteoutPath(path) : opaquePath(path), timed(0n));
    }
    const { meta, inode } = change;
    if (meta.type === 'socket') return null;
    const linkPath = inode && inodes.get(inode);
    if (inode && !linkPath) inodes.set(inode, path);
    const header: TarHeader = {
      ...meta,
      type: meta.type,
      path: path.length === 0 ? ROOT_NAME : path,
      mtime: timed(meta.mtime),
      linkPath: meta.type === 'symlink' ? sys().readLink(change.at.dir, change.at.name) : EMPTY,
      extents: null,
    };
    return linkPath ? { ...header, type: 'hardlink', linkPath, size: 0, xattrs: null } : header;
  };
}
