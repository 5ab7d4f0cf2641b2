import { posix } from 'node:path';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { FileQueue } from '../layers/file-queue.ts';
import { type Fd, sys } from '../native/sys.ts';
import { isArchive, unpackSource } from './archive.ts';
import type { Container } from './container.ts';
import type { CopyOptions } from './copy.ts';
import type { Made, Target } from './copy-target.ts';
import { type Rules, TreeCopy } from './copy-tree.ts';
import { ensureDirectory, followed, kindAt } from './destination.ts';
import type { Download } from './download.ts';
import { hasWildcard } from './glob.ts';
import type { Filter } from './ignore.ts';
import type { CopyPlace } from './link-layer.ts';
import { digestsOf, type Origin } from './origin.ts';
import { directoryMode, modeRule, type Ownership } from './ownership.ts';
import { paced, type Step } from './pace.ts';
import type { Source } from './sources.ts';

/** What was asked for. */
export interface Request {
  readonly verb: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly destination: string | undefined;
  readonly options: CopyOptions;
  readonly unpack: 'none' | 'local' | 'all';
}

/** One copy, all of it found out: what a pass goes by. */
export interface Job {
  readonly container: Container;
  readonly request: Request;
  readonly destination: string;
  readonly origin: Origin;
  readonly filter: Filter;
  readonly downloads: ReadonlyMap<string, Download>;
  readonly written: readonly Download[];
}

export interface PassParts {
  readonly job: Job;
  /** The owner that everything gets; a pass that only hashes may be told any. */
  readonly owner: Ownership | null;
  /** Null: the sources are hashed alone, whatever the container has at the destination. */
  readonly target: PassTarget | null;
}

export interface PassTarget {
  /** Where it goes. */
  readonly tree: CopyPlace;
  readonly owners: Target['owners'];
}

/** Whether the destination is a directory to copy into: by what was written, and by what the container has there. */
interface Into {
  readonly said: boolean;
  readonly found: boolean;
}

const SELF = Buffer.alloc(0);
const ROOT: Ownership = { uid: 0, gid: 0 };

/** The destination's rules over one pass. */
export class Pass {
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
      digests: digestsOf(origin, parts.job.container.engine),
      wanted: () => true,
    };
    this.#copy = new TreeCopy(this.#rules);
  }

  end(): Digest {
    return this.#copy.end();
  }

  async all(given: readonly Source[]): Promise<void> {
    const { job, target } = this.#parts;
    const sources = withoutIgnored(given, job);
    const { destination, downloads, request, written } = job;
    const many = sources.length + downloads.size + written.length > 1;
    const said = many || destination.endsWith('/') || request.options.parents === true;
    const into: Into = {
      said,
      found: said || (target !== null && kindAt(target.tree.fd, destination) === 'dir'),
    };
    for (const source of sources) await this.#source(source, into);
    for (const item of downloads.values()) await this.#download(item, into);
    for (const item of written) await this.#whole(item, into);
  }

  async #source(source: Source, into: Into): Promise<void> {
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
    if (request.unpack !== 'none' && source.stat.type === 'file' && (await isArchive(source))) {
      await this.#archive(source, base);
      return;
    }
    await this.#object({ fd: source.fd, name: source.name }, base, into);
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
    const { job, target, owner } = this.#parts;
    const { store, signal } = job.container.engine;
    await this.#paced(this.#copy.bytes(source.fd, source.stat, Buffer.from(destination)));
    if (target === null) return;
    const { fd: rootfs, ownerFile } = target.tree;
    // a new directory belongs to whom the files are given to
    const onMade = (at: Made) => void this.made.push(at);
    const { owners } = target;
    sys().close(ensureDirectory(rootfs, destination, { owner: owner ?? ROOT, owners, onMade }));
    await unpackSource(source, { rootfs, destination, owner, kind: store.kind, ownerFile, signal });
  }

  async #download(item: Download, into: Into): Promise<void> {
    const { destination, request } = this.#parts.job;
    const stat = sys().stat(item.fd, Buffer.alloc(0));
    if (!stat) throw new Error('internal: a download has no file');
    const source = { fd: item.fd, stat, name: SELF, path: '', text: 'the download' };
    if (request.unpack === 'all' && (await isArchive(source))) await this.#archive(source, destination);
    else await this.#whole(item, into);
  }

  async #whole(item: Download, into: Into): Promise<void> {
    const name = into.found ? item.name() : SELF;
    await this.#object({ fd: item.fd, name }, this.#parts.job.destination, into);
  }

  /** Where a file goes that is to have this very path: a symbolic link stands for what it leads to, and is not replaced. */
  #place(path: string): string {
    const { target } = this.#parts;
    return target === null ? path : followed(target.tree.fd, path);
  }

  /** One object at `path`, or in it under its own name. The hash knows what was said of that, not what was found. */
  async #object(
    { fd, name }: { readonly fd: Fd; readonly name: Buffer },
    path: string,
    into: Into,
  ): Promise<void> {
    const own = Buffer.from(posix.basename(path));
    const whole = into.found ? posix.join(path, '/') : this.#place(path);
    const as = into.found ? name : Buffer.from(posix.basename(whole));
    await this.#inDirectory(into.found ? whole : posix.dirname(whole), (at) =>
      this.#copy.object(fd, SELF, at, as, into.said ? name : own),
    );
  }

  #paced(steps: Iterable<Step>): Promise<void> {
    return paced(steps, this.#parts.job.container.engine.signal);
  }

  async #inDirectory(path: string, work: (target: Target | null) => Iterable<Step>): Promise<void> {
    const { job, owner, target } = this.#parts;
    if (target === null) return this.#paced(work(null));
    const { tree, owners } = target;
    const mtime = this.#rules.mtime;
    const dir = ensureDirectory(tree.fd, path, {
      owner: owner ?? ROOT,
      mode: directoryMode(job.request.options.chmod),
      owners,
      mtime,
      onMade: (made) => this.made.push(made),
    });
    try {
      const at = Buffer.from(path.replace(/^\/+|\/+$/g, ''));
      await using queue = new FileQueue();
      await this.#paced(work({ root: tree.fd, dir, path: at, owners, queue, made: this.made }));
      await queue.settle();
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

/** Sources that the ignore file leaves: what a wildcard found may be left out, what was named may not. */
function withoutIgnored(sources: readonly Source[], job: Job): readonly Source[] {
  const { options } = job.request;
  const isLeftOut = ({ path, stat }: Source) =>
    path !== '' && !(stat.type === 'dir' ? job.filter.holds(path) : job.filter.wants(path));
  const [first, ...others] = sources.filter(isLeftOut);
  if (!first) return sources;
  const named = options.noWildcard ? first : [first, ...others].find(({ text }) => !hasWildcard(text));
  if (named) throw ignored(named, job);
  const left = sources.filter((source) => !isLeftOut(source));
  if (left.length === 0 && !options.allowEmptyWildcard) throw ignored(first, job);
  return left;
}

function ignored(source: Source, { origin, filter }: Job): BldError {
  return new BldError('E_NOT_FOUND', `${JSON.stringify(source.text)} is excluded from ${origin.root.label}`, {
    hint: filter.reason(source.path),
  });
}
