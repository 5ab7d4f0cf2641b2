import { closeSync, constants, ftruncateSync, readSync } from 'node:fs';
import { type Digest, Hasher } from '../base/digest.ts';
import { openNewFile, placeObject, placeSmallFile, setTime } from '../layers/place.ts';
import type { Location, Meta } from '../layers/types.ts';
import { type Fd, type Stat, sys } from '../native/sys.ts';
import type { FileDigests } from '../store/file-digests.ts';
import { isNew, linkTwin, makeDirectory, pathOf, replace, type Target } from './copy-target.ts';
import type { Step } from './pace.ts';
import { changed, type From, isZero, openRead, readSmall, writeBeside } from './source-file.ts';

/** Files up to this size are read, hashed and written in one go each. */
const SMALL = 256 * 1024;
const CHUNK = 1024 * 1024;
const SELF = Buffer.alloc(0);

/** What a copy makes of each object's metadata. */
export interface Rules {
  /** The owner given to everything, or null: the one that `meta` gives. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** The mode of a file or directory; identity when nothing was asked for. */
  readonly mode: (mode: number, directory: boolean) => number;
  /** One mtime for everything, ns; null keeps each its own. */
  readonly mtime: bigint | null;
  /** What the source's object looks like in an image: its owner (of stages and images) and attributes. */
  readonly meta: (dir: Fd, name: Buffer, stat: Stat) => Meta;
  /** Where digests of large files are kept, if anywhere. */
  readonly digests: FileDigests | null;
  /** False leaves a path (below the copied root, without leading slash) out; a directory's `'look inside'` copies only what is wanted in it. */
  readonly wanted: (path: Buffer, directory: boolean) => boolean | 'look inside';
}

/**
 * One pass over sources: hashes all that would be copied and, with a target, copies it as it is hashed. Its work is done
 * by iterating over what its methods give: a step is a file, or a piece of a large one.
 */
export class TreeCopy {
  #rules: Rules;
  readonly #hasher = new Hasher();
  /** The first copy of each inode that has more names: its directory below the target's root. */
  readonly #links = new Map<string, { dir: Buffer; name: Buffer; path: Buffer }>();

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /** Other rules for the source that follows. */
  use(rules: Rules): void {
    this.#rules = rules;
    this.#links.clear(); // its files may take the places of those before
  }

  /** A directory without what is in it; one that is there already stays as it is. */
  *parent(root: Fd, path: Buffer, target: Target | null, as: Buffer): Generator<Step> {
    yield;
    const source = sys().openIn(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const stat = sys().stat(source, SELF);
      if (!stat) throw changed(path);
      const meta = this.#meta(source, SELF, stat);
      this.#note('parent', path, meta);
      if (!target || sys().stat(target.dir, as)) return;
      const at = { dir: target.dir, name: as };
      makeDirectory(target, as);
      target.owners.set(at, meta, pathOf(target, as));
      setTime(at, meta.mtime);
    } finally {
      sys().close(source);
    }
  }

  /** Hashes a file's bytes alone: an archive, which something else unpacks. */
  *bytes(fd: Fd, stat: Stat, path: Buffer): Generator<Step> {
    const from = { dir: fd, name: SELF, stat, path, bare: false };
    this.#hasher.update(Buffer.concat([path, Buffer.from(`\0archive\0${stat.size}\n`)]));
    const source = openRead(from);
    try {
      yield* this.#content(source, from, null);
    } finally {
      closeSync(source);
    }
  }

  /** Over names, types, modes, owners (their own), attributes and bytes; never times. */
  end(): `sha256:${string}` | `sha512:${string}` {
    return this.#hasher.digest();
  }

  #note(kind: string, path: Buffer, meta: Meta, extra: Uint8Array = SELF): void {
    const xattrs = [...(meta.xattrs ?? [])]
      .map(([name, value]) => `${name}=${value.toString('base64')}`)
      .sort();
    this.#hasher.update(path);
    // an owner that everything gets is none of the sources
    const owner = this.#rules.owner ? ['', ''] : [meta.uid, meta.gid];
    const rest = [kind, meta.mode, ...owner, meta.size, extra.length, ...xattrs].join('\0');
    this.#hasher.update(Buffer.from(`\0${rest}\n`));
    this.#hasher.update(extra);
  }

  #meta(dir: Fd, name: Buffer, stat: Stat): Meta {
    const { owner, mode, mtime, meta } = this.#rules;
    const found = meta(dir, name, stat);
    const kind = found.type;
    return {
      ...found,
      ...(owner && { uid: owner.uid, gid: owner.gid }),
      mode: kind === 'symlink' ? 0o777 : mode(found.mode, kind === 'dir'),
      mtime: mtime ?? found.mtime,
    };
  }

  /** The contents of the directory `source` into the directory of the target. `path`: below the copied root. */
  *contents(source: Fd, target: Target | null, path: Buffer = SELF): Generator<Step> {
    const entries = sys()
      .readDir(source)
      .sort((a, b) => Buffer.compare(a.name, b.name));
    for (const { name } of entries) {
      const below = path.length > 0 ? Buffer.concat([path, Buffer.from('/'), name]) : name;
      const stat = sys().stat(source, name);
      if (!stat) throw changed(below);
      const wanted = this.#rules.wanted(below, stat.type === 'dir');
      if (wanted === false) continue;
      yield* this.#object(
        { dir: source, name, stat, path: below, bare: wanted === 'look inside' },
        target,
        name,
      );
    }
  }

  /** One object, under the name `as` in the target's directory; `path` is what it is called in the hash. */
  *object(source: Fd, name: Buffer, target: Target | null, as: Buffer, path = as): Generator<Step> {
    const stat = sys().stat(source, name);
    if (!stat) throw changed(as);
    this.#links.clear();
    yield* this.#object({ dir: source, name, stat, path, bare: false }, target, as);
  }

  *#object(from: From, target: Target | null, as: Buffer): Generator<Step> {
    yield;
    const meta = this.#meta(from.dir, from.name, from.stat);
    switch (meta.type) {
      case 'dir':
        yield* this.#directory(from, meta, target, as);
        return;
      case 'file':
        yield* this.#file(from, meta, target, as);
        return;
      case 'socket':
        return; // nobody listens in an image
      default: {
        const linkPath = meta.type === 'symlink' ? sys().readLink(from.dir, from.name) : SELF;
        this.#note(`${meta.type} ${meta.major}:${meta.minor}`, from.path, meta, linkPath);
        if (!target) return;
        const object = { ...meta, type: meta.type, linkPath };
        const at = { dir: target.dir, name: as };
        replace(target, as, () => placeObject(at, object, pathOf(target, as), target.owners));
      }
    }
  }

  *#directory(from: From, meta: Meta, target: Target | null, as: Buffer): Generator<Step> {
    this.#note(from.bare ? 'parent' : 'dir', from.path, meta);
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const source = sys().openIn(from.dir, from.name, flags);
    try {
      if (!target) {
        yield* this.contents(source, null, from.path);
        return;
      }
      const made = makeDirectory(target, as);
      const dir = sys().openIn(target.dir, as, flags);
      try {
        yield* this.contents(source, { ...target, dir, path: pathOf(target, as), made }, from.path);
      } finally {
        sys().close(dir);
      }
      const at = { dir: target.dir, name: as };
      target.owners.set(at, meta, pathOf(target, as));
      yield target.queue.setTime(at, target, meta.mtime);
    } finally {
      sys().close(source);
    }
  }

  *#file(from: From, meta: Meta, target: Target | null, as: Buffer): Generator<Step> {
    const { stat } = from;
    const inode = stat.nlink > 1 ? `${stat.dev}:${stat.ino}` : undefined;
    const twin = inode === undefined ? undefined : this.#links.get(inode);
    if (twin) {
      this.#note('hardlink', from.path, meta, twin.path);
      if (!target) return;
      yield target.queue.settle();
      linkTwin(twin, target, as);
      return;
    }
    if (meta.size <= SMALL) yield this.#smallFile(from, meta, target, as);
    else yield* this.#largeFile(from, meta, target, as);
    if (inode !== undefined) {
      this.#links.set(inode, { dir: target?.path ?? SELF, name: as, path: from.path });
    }
  }

  #smallFile(from: From, meta: Meta, target: Target | null, as: Buffer): Step {
    const data = readSmall(from);
    if (data.length !== from.stat.size) throw changed(from.path);
    this.#note('file', from.path, meta, data);
    if (!target) return;
    const writer = target.owners;
    const at = { dir: target.dir, name: as };
    const object = { ...meta, type: 'file', linkPath: SELF } as const;
    const make = ({ dir }: Location) =>
      replace({ ...target, dir }, as, () =>
        placeSmallFile({ dir, name: as }, object, pathOf(target, as), { data, writer }),
      );
    if (!writer.isPlain(object)) return make(at);
    if (target.made) isNew(target, as);
    return target.queue.add(at, target, { data, object, ids: writer.ids(object), replace: true, make });
  }

  *#largeFile(from: From, meta: Meta, target: Target | null, as: Buffer): Generator<Step> {
    const source = openRead(from);
    try {
      this.#note('file', from.path, meta);
      if (!target) {
        yield* this.#content(source, from, null);
        return;
      }
      const at = { dir: target.dir, name: as };
      let out: Fd | undefined;
      replace(target, as, () => {
        out = openNewFile(at);
      });
      if (out === undefined) throw new Error('internal: no file was opened');
      try {
        yield* this.#content(source, from, out);
      } finally {
        closeSync(out);
      }
      target.owners.set(at, meta, pathOf(target, as));
      setTime(at, meta.mtime);
    } finally {
      closeSync(source);
    }
  }

  /** The bytes by their digest; those of a file that is only hashed are read where its digest is not known. */
  *#content(source: Fd, from: From, out: Fd | null): Generator<Step> {
    const { digests } = this.#rules;
    const before = sys().stat(source, SELF);
    let digest = out === null && before ? digests?.get(before) : null;
    if (!digest) {
      digest = yield* this.#stream(source, from, out);
      const after = sys().stat(source, SELF);
      if (before && after?.ctime === before.ctime) digests?.note(after, digest);
    }
    this.#hasher.update(Buffer.from(digest));
  }

  /**
   * The bytes, hashed as they are copied: what the key says is what the container has. Zeros of holes stay holes. While
   * one chunk is written the next is read and hashed; whoever drives this never stops it while a write is under way.
   */
  *#stream(source: Fd, from: From, out: Fd | null): Generator<Step, Digest> {
    const hasher = new Hasher();
    const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)];
    const sparse = from.stat.blocks * 512 < from.stat.size;
    let writing: Promise<void> | undefined;
    let at = 0;
    try {
      for (let turn = 0; ; turn ^= 1) {
        const buffer = buffers[turn] ?? SELF;
        const length = readSync(source, buffer, 0, CHUNK, null);
        if (length === 0) break;
        const chunk = buffer.subarray(0, length);
        hasher.update(chunk);
        const before = writing;
        writing = undefined; // where this may be left for good nothing is under way
        yield before;
        writing = out !== null && !(sparse && isZero(chunk)) ? writeBeside(out, chunk, at) : undefined;
        at += length;
      }
    } finally {
      if (writing) yield writing; // the file must stay open for it, also when reading has failed
    }
    if (at !== from.stat.size) throw changed(from.path);
    if (out !== null && sparse) ftruncateSync(out, at);
    return hasher.digest();
  }
}
