import { constants } from 'node:fs';
import { relative, resolve } from 'node:path';
import { BldError, isErrno } from '../base/errors.ts';
import { nearest } from '../base/suggest.ts';
import { type Fd, O_PATH, type Stat, sys } from '../native/sys.ts';
import { glob, hasWildcard } from './glob.ts';

/** Where the sources of a copy are looked for. */
export interface SourceRoot {
  readonly fd: Fd;
  /** How errors call it: `the context /src`, `container app`. */
  readonly label: string;
  /** A relative source starts here; with no jail it is the working directory. */
  readonly start: string;
  /** True when no source may lie outside. */
  readonly jail: boolean;
}

/** One thing to copy: an open file, directory or other object, and the name it had. */
export interface Source {
  /** O_PATH; the caller closes it. */
  readonly fd: Fd;
  readonly stat: Stat;
  readonly name: Buffer;
  /** Below the root, bytes as latin1. */
  readonly path: string;
  /** As the user wrote it. */
  readonly text: string;
}

function pathBelow(root: SourceRoot, text: string): string {
  if (!root.jail) return relative('/', resolve(root.start, text));
  const path = text.replace(/^\/+/, '');
  const inside = relative('/', resolve('/', path));
  if (!text.startsWith('/') && relative('/jail', resolve('/jail', path)).startsWith('..')) {
    throw new BldError('E_PATH', `source ${JSON.stringify(text)} lies outside of ${root.label}`, {
      hint: 'copy from a directory that holds it: --contextdir DIR, or move the file',
    });
  }
  return inside;
}

/** A nearby name for a path that does not exist, or undefined. */
function nearby(root: SourceRoot, path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? '' : path.slice(0, slash);
  try {
    const beside = glob(root.fd, `${parent.replace(/[*?[\\]/g, '\\$&')}/*`);
    return nearest(
      path.slice(slash + 1),
      beside.map((found) => found.slice(found.lastIndexOf('/') + 1)),
    );
  } catch {
    return undefined;
  }
}

/** Where the path leads that is itself a link; undefined when it is none. */
function linkTarget(root: SourceRoot, path: string): string | undefined {
  try {
    const fd = sys().openIn(root.fd, Buffer.from(path, 'latin1'), O_PATH | constants.O_NOFOLLOW);
    try {
      const isLink = sys().stat(fd, Buffer.alloc(0))?.type === 'symlink';
      return isLink ? sys().readLink(fd, Buffer.alloc(0)).toString() : undefined;
    } finally {
      sys().close(fd);
    }
  } catch {
    return undefined; // not there at all
  }
}

function missing(root: SourceRoot, text: string, path: string): BldError {
  const target = linkTarget(root, path);
  if (target !== undefined) {
    const what = `${JSON.stringify(text)} is a link to ${JSON.stringify(target)}`;
    return new BldError('E_NOT_FOUND', `${what}, which is not in ${root.label}`, {
      hint: 'links lead nowhere but into it; --no-follow-symlinks copies the link itself',
    });
  }
  const near = nearby(root, path);
  return new BldError('E_NOT_FOUND', `${JSON.stringify(text)}: no such file or directory in ${root.label}`, {
    ...(near !== undefined && { hint: `did you mean ${JSON.stringify(near)}?` }),
  });
}

function open(root: SourceRoot, text: string, path: string, keepLinks = false): Source {
  const flags = keepLinks ? O_PATH | constants.O_NOFOLLOW : O_PATH;
  const bytes = Buffer.from(path, 'latin1');
  let fd: Fd;
  try {
    fd = sys().openIn(root.fd, bytes.length > 0 ? bytes : Buffer.from('.'), flags);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw missing(root, text, path);
    if (isErrno(error, 'ELOOP')) throw new BldError('E_PATH', `${JSON.stringify(text)}: too many links`);
    throw error;
  }
  const stat = sys().stat(fd, Buffer.alloc(0));
  if (!stat) throw missing(root, text, path);
  return { fd, stat, name: bytes.subarray(path.lastIndexOf('/') + 1), path, text };
}

export interface SourceOptions {
  readonly allowEmptyWildcard?: boolean | undefined;
  readonly noWildcard?: boolean | undefined;
  readonly keepLinks?: boolean | undefined;
  /** `**` is no more than `*`. */
  readonly shallow?: boolean | undefined;
}

/**
 * What the texts name below the root, wildcards expanded (E_NOT_FOUND when they match nothing and nothing else is
 * there, unless `allowEmptyWildcard`), links followed inside the root (unless `keepLinks`). The caller closes each descriptor.
 */
export function openSources(
  root: SourceRoot,
  texts: readonly string[],
  options: SourceOptions = {},
): Source[] {
  const sources: Source[] = [];
  let unmatched: BldError | undefined;
  try {
    for (const text of texts) {
      if (text === '') throw new BldError('E_USAGE', 'a source is empty');
      const below = pathBelow(root, text);
      if (options.noWildcard || !hasWildcard(text)) {
        sources.push(open(root, text, Buffer.from(below, 'utf8').toString('latin1'), options.keepLinks));
        continue;
      }
      const found = glob(root.fd, below, !options.shallow);
      if (found.length === 0) unmatched ??= missing(root, text, below);
      for (const path of found) sources.push(open(root, text, path, options.keepLinks));
    }
    if (sources.length === 0 && unmatched && !options.allowEmptyWildcard) throw unmatched;
    return sources;
  } catch (error) {
    closeSources(sources);
    throw error;
  }
}

export function closeSources(sources: readonly Source[]): void {
  for (const source of sources) sys().close(source.fd);
}
