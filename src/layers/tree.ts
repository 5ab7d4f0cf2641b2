import { BldError, explain, isErrno } from '../base/errors.ts';
import { type Fd, sys } from '../native/sys.ts';
import { Directories, joined } from './directories.ts';
import { FileQueue } from './file-queue.ts';
import type { OwnerWriter } from './owner.ts';
import {
  gather,
  type NewObject,
  placeLargeFile,
  placeObject,
  placeSmallFile,
  SMALL_FILE,
  setTime,
} from './place.ts';
import { memberPath, shownPath, type TarEntry } from './tar/entry.ts';
import type { Location, Meta } from './types.ts';
import { isWhiteout } from './whiteout.ts';

export interface TreeOptions {
  readonly writer: OwnerWriter;
  /** Where hardlink targets start: the components of the archive's root below the tree's. */
  readonly base?: readonly Buffer[];
  /** What a directory without an entry of its own is to look like; null: 0755 root:root. */
  readonly implied?: (path: Buffer) => Meta | null;
  /** Called for each directory that was made, also for missing parents. */
  readonly onDirectory?: (at: Location, path: Buffer) => void;
}

/** Paths kept in mind, at most. */
const MOST_QUEUED = 4096;

const PARENT: NewObject = {
  type: 'dir',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0n,
  major: 0,
  minor: 0,
  xattrs: null,
  linkPath: Buffer.alloc(0),
};

interface Place {
  readonly at: Location;
  readonly path: Buffer;
  /** All that was queued before it is there. */
  readonly inTurn?: boolean;
}

/**
 * A directory tree that an archive is unpacked into. The last entry of a path wins, existing directories are merged into,
 * nothing is followed but symlinks on the way, and those inside of the root alone. `finish` ends it; then dispose it.
 */
export class Tree implements AsyncDisposable {
  readonly directories: Directories;
  readonly #queue = new FileQueue();
  /** Paths of the files that may still be in the queue. */
  readonly #queued = new Set<string>();
  readonly #options: TreeOptions;
  /** Directories get their times last: each new file in one changes it. */
  readonly #times = new Map<string, { readonly path: Buffer; readonly mtime: bigint }>();
  #finishing = false;

  constructor(root: Fd, options: TreeOptions) {
    this.#options = options;
    this.directories = new Directories(root, {
      make: (at, path, found) => {
        if (this.#finishing) return false;
        if (found === 'other') {
          const stat = sys().stat(at.dir, at.name);
          // a deleted name that gets files again; anything else that is no directory is the archive's mistake
          if (!stat || !isWhiteout(stat)) return false;
          sys().unlink(at.dir, at.name);
        }
        this.#makeDirectory(at, path, { ...PARENT, ...this.#options.implied?.(path), type: 'dir' });
        return true;
      },
    });
  }

  /** Makes the entry at `parts` (not the root); what was there before goes. */
  async place(parts: readonly Buffer[], entry: TarEntry): Promise<void> {
    const path = joined(parts);
    try {
      if (this.#isAwaited(path, entry)) await this.settle();
      const at = this.directories.locate(parts);
      if (entry.type === 'hardlink') return this.#link(at, path, entry.linkPath);
      if (entry.type === 'dir') return this.#mergeDirectory(at, path, { ...entry, type: 'dir' });
      await this.#make(at, path, { ...entry, type: entry.type }, entry);
    } catch (error) {
      throw explain(error, `unpacking ${shownPath(path)}`);
    }
  }

  /** Waits until all that was placed is there. */
  async settle(): Promise<void> {
    if (!this.#queue.idle) await this.#queue.settle();
    this.#queued.clear();
  }

  /** True when the entry has to do with a file that is still in the queue: its own path, one above it, a link's target. */
  #isAwaited(path: Buffer, { type }: TarEntry): boolean {
    if (this.#queued.size === 0) return false;
    if (type === 'hardlink') return true;
    const text = path.toString('latin1');
    for (let end = text.length; end > 0; end = text.lastIndexOf('/', end - 1)) {
      if (this.#queued.has(text.slice(0, end))) return true;
    }
    return false;
  }

  /** Removes what is at the place, whatever it is. */
  clear(at: Location, path: Buffer): void {
    this.directories.forget(path);
    sys().removeTree(at.dir, at.name);
  }

  async #make(at: Location, path: Buffer, object: NewObject, { body, extents }: TarEntry): Promise<void> {
    const { writer } = this.#options;
    if (object.type !== 'file') {
      await this.#replacing({ at, path }, () => placeObject(at, object, path, writer));
    } else if (object.size <= SMALL_FILE && !extents) {
      const data = await gather(body, object.size);
      await this.#makeSmall(at, path, object, data);
    } else {
      await this.#replacing({ at, path }, () => placeLargeFile(at, object, path, { body, extents, writer }));
    }
  }

  #makeSmall(at: Location, path: Buffer, object: NewObject, data: Buffer): Promise<void> | undefined {
    const { writer } = this.#options;
    const inTurn = writer.isPlain(object);
    const make = async (here: Location) => {
      try {
        await this.#replacing({ at: here, path, inTurn }, () =>
          placeSmallFile(here, object, path, { data, writer }),
        );
      } catch (error) {
        throw explain(error, `unpacking ${shownPath(path)}`);
      }
    };
    if (!inTurn) return make(at);
    const text = path.toString('latin1');
    this.#queued.add(text);
    const directory = text.slice(0, Math.max(0, text.lastIndexOf('/')));
    const file = { data, object, ids: writer.ids(object), replace: false, make };
    const wait = this.#queue.add(at, directory, file);
    return this.#queued.size < MOST_QUEUED ? wait : this.settle();
  }

  /** Makes an object in the place of what is there; a file that the queue hands back is the next in turn. */
  async #replacing({ at, path, inTurn }: Place, make: () => void | Promise<void>): Promise<void> {
    try {
      await make();
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      if (!inTurn) await this.settle();
      this.clear(at, path);
      await make();
    }
  }

  #makeDirectory(at: Location, path: Buffer, object: NewObject): void {
    placeObject(at, object, path, this.#options.writer);
    this.#times.set(path.toString('latin1'), { path, mtime: object.mtime });
    this.#options.onDirectory?.(at, path);
  }

  #mergeDirectory(at: Location, path: Buffer, object: NewObject): void {
    const found = sys().stat(at.dir, at.name);
    if (found?.type === 'dir') {
      this.#options.writer.set(at, object, path);
      this.#times.set(path.toString('latin1'), { path, mtime: object.mtime });
      return;
    }
    if (found) this.clear(at, path);
    this.#makeDirectory(at, path, object);
  }

  #link(at: Location, path: Buffer, linkPath: Buffer): void {
    const parts = [...(this.#options.base ?? []), ...memberPath(linkPath)];
    const refuse = (why: string) =>
      new BldError('E_ARCHIVE', `hardlink ${shownPath(path)} to ${shownPath(linkPath)}: ${why}`);
    if (joined(parts).equals(path)) throw refuse('it is the same name');
    const name = parts.at(-1);
    if (!name) throw refuse('it is a directory');
    const from = this.#openTarget(parts.slice(0, -1), refuse);
    try {
      const target = sys().stat(from, name);
      if (!target || isWhiteout(target)) throw refuse('there is no such file before it');
      if (target.type === 'dir') throw refuse('it is a directory');
      const found = sys().stat(at.dir, at.name);
      if (found && found.ino === target.ino && found.dev === target.dev) return;
      if (found) this.clear(at, path);
      sys().link(from, name, at.dir, at.name);
    } finally {
      sys().close(from);
    }
  }

  /** A descriptor of its own, for the cache may close one directory while it opens another. */
  #openTarget(parts: readonly Buffer[], refuse: (why: string) => BldError): Fd {
    try {
      return this.directories.openApart(parts);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV')) throw error;
      throw refuse('there is no such file before it');
    }
  }

  /** Sets the times of directories and writes the owners' side file. */
  async finish(): Promise<void> {
    await this.settle();
    this.#finishing = true;
    for (const { path, mtime } of this.#times.values()) {
      try {
        const at = this.directories.locate(memberPath(path));
        // replaced meanwhile by something that has its own time
        if (sys().stat(at.dir, at.name)?.type === 'dir') setTime(at, mtime);
      } catch (error) {
        if (!(error instanceof BldError) && !isErrno(error, 'ENOENT'))
          throw explain(error, `unpacking ${shownPath(path)}`);
      }
    }
    this.#options.writer.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
    this.directories[Symbol.dispose]();
  }
}
