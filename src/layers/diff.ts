import { constants } from 'node:fs';
import { explain } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { type Fd, O_PATH, type Stat, sys } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';
import { joined } from './directories.ts';
import { type OwnerView, readMeta } from './owner.ts';
import { ownerFileOf, readOwners } from './owner-file.ts';
import { isBareRoot, sameRoot, visibleStack } from './root.ts';
import { shownPath } from './tar/entry.ts';
import type { Change, Location } from './types.ts';
import { isOpaque, isWhiteout } from './whiteout.ts';

export interface ChangesOptions {
  readonly kind: StoreKind;
  /** The trees alone: whiteouts and opaque marks do their work inside of the stack and are left out of the result. */
  readonly flatten?: boolean;
  /** The uppermost tree below the stack: the root itself is a change only when it is unlike that tree's root. */
  readonly base?: string;
}

/** One tree's part of a merged directory. */
interface Part {
  readonly fd: Fd;
  readonly view: OwnerView;
}

interface Frame {
  readonly path: Buffer;
  /** Uppermost first. */
  readonly parts: readonly Part[];
  /** Names in the order of their bytes, with the parts that have them. */
  readonly names: IterableIterator<readonly [name: string, having: readonly Part[]]>;
}

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const ROOT = Buffer.alloc(0);

function namesOf(parts: readonly Part[]): Frame['names'] {
  const names = new Map<string, Part[]>();
  for (const part of parts) {
    for (const { name } of sys().readDir(part.fd)) {
      const key = name.toString('latin1');
      const having = names.get(key);
      if (having) having.push(part);
      else names.set(key, [part]);
    }
  }
  return [...names].sort(([a], [b]) => (a < b ? -1 : 1)).values();
}

function openDirectory({ fd, view }: Part, name: Buffer): Part {
  return { fd: sys().openIn(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW), view };
}

/** The directories that are merged at `name`, and whether something hides what other layers have below them. */
function merge(
  having: readonly Part[],
  name: Buffer,
  marks: StoreKind['xattrs'],
): { parts: Part[]; opaque: boolean } {
  const parts: Part[] = [];
  for (const part of having) {
    const at: Location = { dir: part.fd, name };
    // a file or a whiteout that a higher tree has covered with a directory still hides what is under it
    if (parts.length > 0 && sys().stat(part.fd, name)?.type !== 'dir') return { parts, opaque: true };
    parts.push(openDirectory(part, name));
    if (isOpaque(at, marks)) return { parts, opaque: true };
  }
  return { parts, opaque: false };
}

function inodeOf(stat: Stat): string | undefined {
  return stat.nlink > 1 && stat.type !== 'dir' ? `${stat.dev}:${stat.ino}` : undefined;
}

/**
 * What the trees of `stack` (paths, uppermost first) together change against whatever lies below them: of one upper
 * directory its layer, of several frozen steps one layer that does the same, with `flatten` the merged tree itself.
 * Sockets are left out. Descriptors are open only while the iteration stands; leave it by `break` or to its end.
 */
export function* changes(stack: readonly string[], options: ChangesOptions): Generator<Change> {
  const frames: Frame[] = [];
  try {
    const parts = visibleStack(stack, options.kind).map((path) => {
      return {
        fd: sys().openRoot(path),
        view: { owners: options.kind.owners, side: readOwners(ownerFileOf(path)) },
      };
    });
    const push = (path: Buffer, merged: readonly Part[]) => {
      frames.push({ path, parts: merged, names: [].values() });
      frames[frames.length - 1] = { path, parts: merged, names: namesOf(merged) };
    };
    push(ROOT, parts);
    yield* rootChange(parts, options);
    for (;;) {
      const frame = frames.at(-1);
      if (!frame) return;
      const step = frame.names.next();
      if (step.done) {
        close(frames.pop());
        continue;
      }
      const [key, having] = step.value;
      const name = Buffer.from(key, 'latin1');
      const path = frame.path.length === 0 ? name : joined([frame.path, name]);
      const [top] = having;
      const stat = top && sys().stat(top.fd, name);
      if (!top || !stat) continue;
      if (isWhiteout(stat)) {
        if (!options.flatten) yield { kind: 'delete', path };
        continue;
      }
      if (stat.type === 'socket') {
        log.debug(`${shownPath(path)}: sockets are not part of a layer`);
        continue;
      }
      const at: Location = { dir: top.fd, name, path };
      yield { kind: 'entry', path, meta: readMeta(at, stat, top.view), at, inode: inodeOf(stat) };
      if (stat.type !== 'dir') continue;
      const merged = merge(having, name, options.kind.xattrs);
      push(path, merged.parts);
      if (merged.opaque && !options.flatten) yield { kind: 'opaque', path };
    }
  } catch (error) {
    throw explain(error, 'reading the changes of a layer');
  } finally {
    for (const frame of frames) close(frame);
  }
}

function close(frame: Frame | undefined): void {
  for (const { fd } of frame?.parts ?? []) sys().close(fd);
}

/** The root's own entry and mark, where they say something. */
function* rootChange(parts: readonly Part[], { kind, base, flatten }: ChangesOptions): Generator<Change> {
  const [top] = parts;
  const stat = top && sys().stat(top.fd, ROOT);
  if (!top || !stat) return;
  const at: Location = { dir: top.fd, name: ROOT };
  const meta = readMeta(at, stat, top.view);
  // an unusual root is said by every layer: the same files on another base have to be another layer, for its tree shows it
  if (!isBareRoot(meta) || (base !== undefined && !sameRoot(meta, base, kind))) {
    yield { kind: 'entry', path: ROOT, meta, at, inode: undefined };
  }
  const opaque = parts.some((part) => isOpaque({ dir: part.fd, name: ROOT }, kind.xattrs));
  if (opaque && !flatten) yield { kind: 'opaque', path: ROOT };
}
