import { constants } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import { type Fd, O_PATH, sys } from '../native/sys.ts';
import { shownPath } from './tar/entry.ts';
import type { Location } from './types.ts';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const EMPTY = Buffer.alloc(0);
const SLASH = Buffer.from('/');

export interface DirectoriesOptions {
  /**
   * Called where a directory has to be and is not: `found` says what is there instead. Makes it and returns true, or
   * returns false: then the path is refused (E_PATH).
   */
  readonly make: (at: Location, path: Buffer, found: 'nothing' | 'other') => boolean;
  /** Descriptors held at once. */
  readonly capacity?: number;
}

/** `parts` as one path below the root. */
export function joined(parts: readonly Buffer[]): Buffer {
  const [first = EMPTY, ...rest] = parts;
  return rest.length === 0 ? first : Buffer.concat([first, ...rest.flatMap((part) => [SLASH, part])]);
}

/**
 * Directories below a root by descriptor: each step is opened from its parent and never followed; where it is a symlink,
 * the whole path is resolved inside of the root. The descriptors last used are kept open until disposed.
 */
export class Directories implements Disposable {
  readonly #root: Fd;
  readonly #options: DirectoriesOptions;
  readonly #open = new Map<string, Fd>();

  constructor(root: Fd, options: DirectoriesOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** Where the object with these components is, or is to be; the descriptor is good until the next call. */
  locate(parts: readonly Buffer[]): Location {
    const name = parts.at(-1);
    return name ? { dir: this.open(parts.slice(0, -1)), name } : { dir: this.#root, name: EMPTY };
  }

  /** The directory itself; the descriptor is good until the next call. */
  open(parts: readonly Buffer[]): Fd {
    const text = joined(parts).toString('latin1');
    const ends: number[] = [];
    for (const part of parts) ends.push((ends.at(-1) ?? -1) + 1 + part.length);
    let depth = parts.length;
    let fd: Fd | undefined;
    for (; depth > 0 && fd === undefined; depth--) fd = this.#cached(text.slice(0, ends[depth - 1]));
    if (fd !== undefined) depth++;
    fd ??= this.#root;
    for (const name of parts.slice(depth)) {
      const key = text.slice(0, ends[depth]);
      fd = this.#descend({ dir: fd, name }, key);
      this.#open.set(key, fd);
      // the oldest, never the one that was just opened
      if (this.#open.size > (this.#options.capacity ?? 64)) this.#closeOldest();
      depth++;
    }
    return fd;
  }

  #cached(key: string): Fd | undefined {
    const fd = this.#open.get(key);
    if (fd === undefined) return undefined;
    this.#open.delete(key);
    this.#open.set(key, fd);
    return fd;
  }

  /** An existing directory by a descriptor that the caller closes; symlinks are resolved inside of the root. */
  openApart(parts: readonly Buffer[]): Fd {
    const path = parts.length === 0 ? Buffer.from('.') : joined(parts);
    return sys().openIn(this.#root, path, O_PATH | O_DIRECTORY);
  }

  /** Must be told when the object at `path` is removed or replaced: what is open at or below it is closed. */
  forget(path: Buffer): void {
    const key = path.toString('latin1');
    for (const [held, fd] of this.#open) {
      if (held !== key && !held.startsWith(`${key}/`)) continue;
      this.#open.delete(held);
      sys().close(fd);
    }
  }

  #descend(at: Location, key: string): Fd {
    const path = () => Buffer.from(key, 'latin1');
    for (let tries = 0; tries < 3; tries++) {
      try {
        return sys().openIn(at.dir, at.name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      } catch (error) {
        if (isErrno(error, 'ENOENT')) {
          if (!this.#options.make(at, path(), 'nothing')) throw error;
          continue;
        }
        if (!isErrno(error, 'ENOTDIR', 'ELOOP')) throw error;
        if (sys().stat(at.dir, at.name)?.type === 'symlink') return this.#resolve(path());
        if (!this.#options.make(at, path(), 'other')) break;
      }
    }
    throw new BldError('E_PATH', `${shownPath(path())} is not a directory`);
  }

  /** A symlink on the way: followed, but as if the root were `/`. */
  #resolve(path: Buffer): Fd {
    try {
      return sys().openIn(this.#root, path, O_PATH | O_DIRECTORY);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV')) throw error;
      throw new BldError('E_PATH', `${shownPath(path)} is a symlink to no directory inside of the root`, {
        cause: error,
      });
    }
  }

  #closeOldest(): void {
    for (const [key, fd] of this.#open) {
      this.#open.delete(key);
      sys().close(fd);
      return;
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) sys().close(fd);
    this.#open.clear();
  }
}
