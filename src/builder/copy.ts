import { posix } from 'node:path';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import type { IgnoreMatcher } from '../dockerfile/ignore.ts';
import { ownerWriter } from '../layers/owner.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { type Fd, sys } from '../native/sys.ts';
import { explainAt } from '../store/disk.ts';
import { isArchive, unpackSource } from './archive.ts';
import { type Container, read } from './container.ts';
import { type Made, type Target, undo } from './copy-target.ts';
import { type Rules, TreeCopy } from './copy-tree.ts';
import { ensureDirectory, inContainer, kindAt } from './destination.ts';
import { type Download, download, isUrl, type NewFile, writtenFile } from './download.ts';
import type { Engine } from './engine.ts';
import { type Filter, filterOf } from './ignore.ts';
import { hostOrigin, imageOrigin, type Origin } from './origin.ts';
import { modeRule, type Ownership, resolveOwner } from './ownership.ts';
import { paced, type Step } from './pace.ts';
import { openRootfs, type Rootfs } from './rootfs.ts';
import { closeSources, openSources, type Source } from './sources.ts';
import { containerConfig } from './state.ts';
import { type Inputs, type StepWords, step } from './step.ts';

export interface CopyOptions {
  /** A container or an image whose files are the sources. */
  readonly from?: string | undefined;
  /** Sources lie below this directory and nowhere else. */
  readonly contextDir?: string | undefined;
  /** Where relative sources start without a context directory: the process's own. */
  readonly cwd?: string | undefined;
  /** A file with patterns of what to leave out. */
  readonly ignoreFile?: string | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** As `exclude`, with patterns that start at each source directory. */
  readonly leaveOut?: readonly string[] | undefined;
  /** `user[:group]`, names of the container or numbers, for all that is copied. */
  readonly chown?: string | undefined;
  /** Octal or symbolic (`u=rwX,go=rX`), for all that is copied. */
  readonly chmod?: string | undefined;
  /** Keep the sources' parent directories below the destination. */
  readonly parents?: boolean | undefined;
  /** What the one remote source must be. */
  readonly checksum?: Digest | undefined;
  /** A wildcard without match is no error. */
  readonly allowEmptyWildcard?: boolean | undefined;
  /** Sources are names, whatever characters they hold. */
  readonly noWildcard?: boolean | undefined;
  /** A source that is a symbolic link is copied as a link. */
  readonly keepLinks?: boolean | undefined;
  /** `**` in a source is no more than `*`, as other builders have it. */
  readonly shallow?: boolean | undefined;
  /** The mtime of all that is copied, seconds since 1970. */
  readonly timestamp?: number | undefined;
  readonly addHistory?: boolean | undefined;
  /** Opens where the sources are, in place of `from` and `contextDir`. */
  readonly origin?: (() => Promise<Origin> | Origin) | undefined;
  /** An ignore file, already read, in place of `ignoreFile`. */
  readonly ignore?: IgnoreMatcher | undefined;
  /** Files whose content is given here: root's, mode 0644. */
  readonly files?: readonly NewFile[] | undefined;
  /** For `add`: unpack archives, downloaded ones too, or none; local ones alone when absent. */
  readonly unpack?: boolean | undefined;
  readonly as?: StepWords | undefined;
}

/** Copies files, directories and downloads into the container; gives the digest of what was copied. */
export async function copy(
  container: Container,
  sources: readonly string[],
  destination?: string,
  options: CopyOptions = {},
): Promise<Digest> {
  return place(container, { verb: 'COPY', sources, destination, options, unpack: 'none' });
}

/** As `copy`, and unpacks local archives (tar; gzip, bzip2, xz, zstd) into the destination. */
export async function add(
  container: Container,
  sources: readonly string[],
  destination?: string,
  options: CopyOptions = {},
): Promise<Digest> {
  const unpack = options.unpack === undefined ? 'local' : options.unpack ? 'all' : 'none';
  return place(container, { verb: 'ADD', sources, destination, options, unpack });
}

interface Request {
  readonly verb: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly destination: string | undefined;
  readonly options: CopyOptions;
  readonly unpack: 'none' | 'local' | 'all';
}

async function place(container: Container, request: Request): Promise<Digest> {
  const { sources, options, verb } = request;
  if (sources.length === 0 && !options.files?.length) throw new BldError('E_USAGE', 'src must be specified');
  const config = containerConfig(read(container).state);
  const path = inContainer(request.destination ?? '.', config.WorkingDir);
  const destination = /(?:^|\/)\.?$/.test(request.destination ?? '.') && path !== '/' ? `${path}/` : path;
  using origin = await originOfCopy(container.engine, options);
  const filter = filterOf(options);
  using stack = new DisposableStack();
  const downloads = await fetchAll(container.engine, request, stack);
  const written = (options.files ?? []).map((file) => stack.use(writtenFile(container.engine, file)));
  const job = { container, request, destination, origin, filter, downloads, written };
  const counted = (write: boolean) =>
    work(job, write).catch((error: unknown) => {
      throw explainAt(container.engine.store.root, error, `copying from ${origin.root.label}`);
    });
  let sure: Digest | undefined;
  return await step<Digest>(container, {
    site: `${verb.toLowerCase()} ${sources.join(' ')} ${destination}`,
    inputs: async () => {
      sure = await counted(false);
      return inputsOf(job, sure);
    },
    createdBy: (digest) => {
      const kind = sources.length > 1 ? 'multi' : 'file';
      return `/bin/sh -c #(nop) ${verb} ${kind}:${digest.slice(7)} in ${destination} `;
    },
    addHistory: options.addHistory,
    as: options.as,
    work: async () => {
      const copied = await counted(true);
      if (sure !== undefined && copied !== sure) {
        throw new BldError('E_PATH', 'the sources changed while they were copied', {
          hint: 'run it again when nothing writes to them',
        });
      }
      return copied;
    },
  });
}

interface Job {
  readonly container: Container;
  readonly request: Request;
  readonly destination: string;
  readonly origin: Origin;
  readonly filter: Filter;
  readonly downloads: ReadonlyMap<string, Download>;
  readonly written: readonly Download[];
}

async function originOfCopy(engine: Engine, options: CopyOptions): Promise<Origin> {
  if (options.origin) return options.origin();
  return options.from === undefined ? hostOrigin(options) : imageOrigin(engine, options.from);
}

function inputsOf({ request, destination }: Job, content: Digest): Inputs {
  const { verb, options, unpack } = request;
  return [
    ['operation', verb],
    ['destination', destination],
    ['chown', options.chown ?? ''],
    ['chmod', options.chmod ?? ''],
    ['timestamp', String(options.timestamp ?? '')],
    ['unpack', unpack],
    ['content', content],
  ];
}

async function fetchAll(
  engine: Engine,
  { sources, options: { checksum } }: Request,
  stack: DisposableStack,
): Promise<ReadonlyMap<string, Download>> {
  const urls = sources.filter(isUrl);
  if (checksum !== undefined && (urls.length !== 1 || sources.length !== 1)) {
    throw new BldError('E_USAGE', '--checksum needs exactly one source, and that a URL');
  }
  const found = new Map<string, Download>();
  for (const url of urls) found.set(url, stack.use(await download(engine, url, checksum)));
  return found;
}

/** One pass over all sources: hashed, and with `write` copied as they are hashed. */
async function work(job: Job, write: boolean): Promise<Digest> {
  const { container, request, origin, downloads } = job;
  const { options } = request;
  const paths = request.sources.filter((source) => !downloads.has(source));
  const sources = openSources(origin.root, paths, options);
  try {
    using rootfs = await openRootfs(container);
    const owners = ownersOf(container);
    const owner = options.chown === undefined ? null : resolveOwner(rootfs.fd, options.chown);
    const pass = new Pass({ job, rootfs, owner, owners, write });
    try {
      await pass.all(sources);
    } catch (error) {
      undo(rootfs.fd, pass.made);
      throw error;
    }
    owners.flush();
    return pass.end();
  } finally {
    closeSources(sources);
  }
}

function ownersOf({ engine, id }: Container) {
  const { upper } = engine.store.containers.directories(id);
  return ownerWriter(engine.store.kind.owners, ownerFileOf(upper));
}

interface PassParts {
  readonly job: Job;
  readonly rootfs: Rootfs;
  readonly owner: Ownership | null;
  readonly owners: Target['owners'];
  readonly write: boolean;
}

/** The destination's rules over one pass. */
class Pass {
  readonly made: Made[] = [];
  readonly #parts: PassParts;
  readonly #copy: TreeCopy;
  readonly #rules: Rules;

  constructor(parts: PassParts) {
    const { options } = parts.job.request;
    const { origin } = parts.job;
    this.#parts = parts;
    this.#rules = {
      owner: parts.owner,
      mode: modeRule(options.chmod),
      mtime: options.timestamp === undefined ? null : BigInt(options.timestamp) * 1_000_000_000n,
      meta: origin.meta,
      wanted: () => true,
    };
    this.#copy = new TreeCopy(this.#rules);
  }

  end(): Digest {
    return this.#copy.end();
  }

  async all(sources: readonly Source[]): Promise<void> {
    const { job, rootfs } = this.#parts;
    const { destination, downloads, request, written } = job;
    const many = sources.length + downloads.size + written.length > 1;
    const into =
      many ||
      destination.endsWith('/') ||
      kindAt(rootfs.fd, destination) === 'dir' ||
      request.options.parents;
    for (const source of sources) await this.#source(source, into === true);
    for (const item of downloads.values()) await this.#download(item, into === true);
    for (const item of written) await this.#whole(item, into === true);
  }

  async #source(source: Source, into: boolean): Promise<void> {
    const { job } = this.#parts;
    const { request, filter } = job;
    const kept = request.options.parents ? keptPath(source) : [];
    const base = await this.#parents(source, kept);
    const wanted = filter.below(source.path);
    if (source.stat.type === 'dir') {
      this.#copy.use({ ...this.#rules, wanted });
      await this.#inDirectory(base, (at) => this.#copy.contents(source.fd, at));
      return;
    }
    if (filter.leavesOut(source.name)) return;
    if (!filter.wants(source.path)) throw ignored(source, job);
    if (request.unpack !== 'none' && source.stat.type === 'file' && (await isArchive(source))) {
      await this.#archive(source, base);
      return;
    }
    const path = into ? posix.join(base, '/') : base;
    await this.#object(source.fd, path, source.name);
  }

  /** Makes the directories that `--parents` keeps, like those of the source where they are new; where the source goes. */
  async #parents(source: Source, kept: readonly string[]): Promise<string> {
    const { origin, destination } = this.#parts.job;
    const all = source.path.split('/');
    const above = all.slice(0, all.length - kept.length);
    const directories = source.stat.type === 'dir' ? kept : kept.slice(0, -1);
    let path = destination;
    for (const [index, name] of directories.entries()) {
      const from = Buffer.from([...above, ...kept.slice(0, index + 1)].join('/'), 'latin1');
      const as = Buffer.from(name, 'latin1');
      await this.#inDirectory(path, (at) => this.#copy.parent(origin.root.fd, from, at, as));
      path = posix.join(path, as.toString());
    }
    return path;
  }

  async #archive(source: Source, destination: string): Promise<void> {
    const { job, rootfs, owner, write } = this.#parts;
    const { store, signal } = job.container.engine;
    await this.#paced(this.#copy.bytes(source.fd, source.stat, Buffer.from(destination)));
    const ownerFile = ownerFileOf(store.containers.directories(job.container.id).upper);
    const target = { rootfs: rootfs.fd, destination, owner, kind: store.kind, ownerFile, signal };
    if (write) await unpackSource(source, target);
  }

  async #download(item: Download, into: boolean): Promise<void> {
    const { destination, request } = this.#parts.job;
    const stat = sys().stat(item.fd, Buffer.alloc(0));
    if (!stat) throw new Error('internal: a download has no file');
    const text = item.name.toString();
    const source = { fd: item.fd, stat, name: item.name, path: text, text };
    if (request.unpack === 'all' && (await isArchive(source))) await this.#archive(source, destination);
    else await this.#whole(item, into);
  }

  async #whole(item: Download, into: boolean): Promise<void> {
    const { destination } = this.#parts.job;
    await this.#object(item.fd, into ? posix.join(destination, '/') : destination, item.name);
  }

  /** One object at `path`, or in it under its own name when it ends with a slash. */
  async #object(fd: Fd, path: string, name: Buffer): Promise<void> {
    const inside = path.endsWith('/');
    const as = inside ? name : Buffer.from(posix.basename(path));
    await this.#inDirectory(inside ? path : posix.dirname(path), (at) =>
      this.#copy.object(fd, Buffer.alloc(0), at, as),
    );
  }

  #paced(steps: Iterable<Step>): Promise<void> {
    return paced(steps, this.#parts.job.container.engine.signal);
  }

  async #inDirectory(path: string, work: (target: Target | null) => Iterable<Step>): Promise<void> {
    const { rootfs, owner, owners, write } = this.#parts;
    if (!write) return this.#paced(work(null));
    const mtime = this.#rules.mtime;
    const dir = ensureDirectory(rootfs.fd, path, {
      owner: owner ?? { uid: 0, gid: 0 },
      owners,
      mtime,
      onMade: (made) => this.made.push(made),
    });
    try {
      const at = Buffer.from(path.replace(/^\/+|\/+$/g, ''));
      await this.#paced(work({ root: rootfs.fd, dir, path: at, owners, made: this.made }));
    } finally {
      sys().close(dir);
    }
  }
}

/** What `--parents` keeps of a source's path, its own name included, latin1 bytes: all, or what follows a `/./` in it. */
function keptPath(source: Source): string[] {
  const all = source.path.split('/').filter(Boolean);
  const pivot = source.text.indexOf('/./');
  if (pivot < 0) return all;
  const before = posix
    .normalize(source.text.slice(0, pivot))
    .split('/')
    .filter((part) => part && part !== '.');
  return all.slice(before.length);
}

function ignored(source: Source, { origin, filter }: Job): BldError {
  return new BldError('E_NOT_FOUND', `${JSON.stringify(source.text)} is excluded from ${origin.root.label}`, {
    hint: filter.reason(source.path),
  });
}
