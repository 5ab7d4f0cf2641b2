import type { Digest } from '../base/digest.ts';
import { explain } from '../base/errors.ts';
import { currentDirectory } from '../base/fs.ts';
import { readMeta } from '../layers/owner.ts';
import { joinedOwners, type Owners, ownerFileOf, readOwners } from '../layers/owner-file.ts';
import { isImageXattr } from '../layers/records.ts';
import type { Meta } from '../layers/types.ts';
import { type Fd, type Stat, sys } from '../native/sys.ts';
import type { FileDigests } from '../store/file-digests.ts';
import { type Container, findContainer } from './container.ts';
import type { Rules } from './copy-tree.ts';
import type { Engine } from './engine.ts';
import { obtainImage } from './from.ts';
import { openLayers, openRootfs, type Rootfs } from './rootfs.ts';
import type { SourceRoot } from './sources.ts';

/** Where the sources of a copy come from, and how their objects look in an image. */
export interface Origin extends Disposable {
  readonly root: SourceRoot;
  readonly meta: Rules['meta'];
  /** Its files are there for other commands as well: what was found of them may be kept. */
  readonly lasting: boolean;
}

/** Where digests of the origin's large files are kept: none of files that nobody will come to again. */
export function digestsOf(origin: Origin, { store }: Engine): FileDigests | null {
  return origin.lasting ? store.fileDigests : null;
}

/** Attributes and owner of a file of the host: root's, whoever holds it; only what belongs into an image. */
function hostMeta(dir: Fd, name: Buffer, stat: Stat): Meta {
  const carries = stat.type === 'file' || stat.type === 'dir';
  const list = carries ? sys().getXattrs(dir, name) : [];
  const kept = list
    .map(({ name: attribute, value }) => [attribute.toString(), value] as const)
    .filter(([attribute]) => isImageXattr(attribute));
  const { type, mode, mtime, major, minor } = stat;
  return {
    type,
    mode,
    uid: 0,
    gid: 0,
    size: type === 'file' ? stat.size : 0,
    mtime,
    major,
    minor,
    xattrs: kept.length > 0 ? new Map(kept) : null,
  };
}

function openHostRoot(path: string, label: string): Fd {
  try {
    return sys().openRoot(path);
  } catch (error) {
    throw explain(error, label);
  }
}

/** Files of the host: below `contextDir` and nowhere else, or anywhere, relative ones from `cwd`. */
export function hostOrigin({
  contextDir,
  cwd,
  label: given,
}: {
  contextDir?: string | undefined;
  cwd?: string | undefined;
  /** How errors call a context that is not the person's own directory. */
  label?: string | undefined;
}): Origin {
  const jail = contextDir !== undefined;
  const label = given ?? (jail ? `the context ${contextDir}` : 'the file system');
  const fd = openHostRoot(contextDir ?? '/', label);
  const root = { fd, label, start: cwd ?? currentDirectory(), jail };
  return { root, meta: hostMeta, lasting: true, [Symbol.dispose]: () => sys().close(fd) };
}

export interface Files {
  readonly files: Rootfs;
  readonly owners: Owners;
  readonly label: string;
  /** Directories that make it up, bottom first. */
  readonly trees: readonly string[];
}

function withOwners({ files, label, trees }: Omit<Files, 'owners'>): Files {
  const owners = joinedOwners(trees.map((tree) => readOwners(ownerFileOf(tree))));
  return { files, owners, label, trees };
}

function treesOf(engine: Engine, layers: readonly Digest[]): string[] {
  return layers.map((diffId) => engine.store.layers.path(diffId)).filter((path) => path !== null);
}

/** The files of layers, read-only. */
export async function filesOfLayers(
  engine: Engine,
  layers: readonly Digest[],
  label: string,
): Promise<Files> {
  const files = await openLayers(engine, layers);
  return withOwners({ files, label, trees: treesOf(engine, layers) });
}

/** The files of a container whose root is open as `root`, and stays open. */
export function containerOrigin({ engine, id }: Container, root: Fd): Origin {
  const record = engine.store.containers.find(id);
  const { upper } = engine.store.containers.directories(id);
  const trees = [...treesOf(engine, record?.layers ?? []), upper];
  const files: Rootfs = { fd: root, [Symbol.dispose]: () => {} };
  return originOf(engine, withOwners({ files, label: `container ${id.slice(0, 12)}`, trees }));
}

/** The files of a container or, when no container has the name, of an image, which is pulled if it has to be. */
export async function openFrom(engine: Engine, name: string): Promise<Files> {
  const record = engine.store.containers.find(name);
  if (!record) {
    const image = await obtainImage(engine, name);
    using kept = new DisposableStack();
    kept.use(await engine.store.leases.hold(`image:${image.id}`, 'shared'));
    const layers = image.layers.map((layer) => layer.diffId);
    const from = await filesOfLayers(engine, layers, `image ${name}`);
    kept.use(from.files);
    const all = kept.move();
    return { ...from, files: { fd: from.files.fd, [Symbol.dispose]: () => all.dispose() } };
  }
  const files = await openRootfs(findContainer(engine, record.id));
  const { upper } = engine.store.containers.directories(record.id);
  return withOwners({ files, label: `container ${name}`, trees: [...treesOf(engine, record.layers), upper] });
}

/** The files of a container or image as sources: nothing outside of it. */
export async function imageOrigin(engine: Engine, name: string): Promise<Origin> {
  return originOf(engine, await openFrom(engine, name));
}

/** Open files as sources; disposing of the origin closes them. */
export function originOf(engine: Engine, { files, owners, label }: Files): Origin {
  const view = { owners: engine.store.kind.owners, side: owners };
  return {
    root: { fd: files.fd, label, start: '/', jail: true },
    meta: (dir, entry, stat) => readMeta({ dir, name: entry }, stat, view),
    lasting: false,
    [Symbol.dispose]: () => files[Symbol.dispose](),
  };
}
