import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { withoutLogins } from '../base/logins.ts';
import type { IgnoreMatcher } from '../dockerfile/ignore.ts';
import { ownerWriter } from '../layers/owner.ts';
import { explainAt } from '../store/disk.ts';
import { type Container, read } from './container.ts';
import { type Job, Pass, type Request } from './copy-pass.ts';
import { undo } from './copy-target.ts';
import { inContainer } from './destination.ts';
import { type Download, download, isUrl, type NewFile, writtenFile } from './download.ts';
import type { Engine } from './engine.ts';
import { filterOf } from './ignore.ts';
import { type CopyPlace, containerPlace, linkLayer, numericOwner } from './link-layer.ts';
import { hostOrigin, imageOrigin, type Origin } from './origin.ts';
import { resolveOwner } from './ownership.ts';
import { closeSources, openSources } from './sources.ts';
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
  /** What `origin` is in full: the names of its layers, of which no ignore file leaves anything out. */
  readonly reference?: string | undefined;
  /** An ignore file, already read, in place of `ignoreFile`. */
  readonly ignore?: IgnoreMatcher | undefined;
  /** Files whose content is given here: root's, mode 0644. */
  readonly files?: readonly NewFile[] | undefined;
  /** A layer of its own that stands on none below: parents are new, links below do not count, nor does what is below. */
  readonly link?: boolean | undefined;
  /** For `add`: unpack archives, downloaded ones too, or none; local ones alone when absent. */
  readonly unpack?: boolean | undefined;
  /** The value of a secret that logs in where files come from. */
  readonly secret?: ((id: string) => string | undefined) | undefined;
  readonly as?: StepWords | undefined;
}

/** Copies files, directories and downloads into the container; gives the digest of what was copied. */
export async function copy(
  container: Container,
  sources: readonly string[],
  destination?: string,
  options: CopyOptions = {},
): Promise<Digest> {
  const settled = await settledOptions(container, options);
  return place(container, { verb: 'COPY', sources, destination, options: settled, unpack: 'none' });
}

/** As `copy`, and unpacks local archives (tar; gzip, bzip2, xz, zstd) into the destination. */
export async function add(
  container: Container,
  sources: readonly string[],
  destination?: string,
  options: CopyOptions = {},
): Promise<Digest> {
  const unpack = options.unpack === undefined ? 'local' : options.unpack ? 'all' : 'none';
  const settled = await settledOptions(container, options);
  return place(container, { verb: 'ADD', sources, destination, options: settled, unpack });
}

/** A linked copy does not see the container: all that it needs of it is found out before. */
async function settledOptions(container: Container, options: CopyOptions): Promise<CopyOptions> {
  if (!options.link || options.chown === undefined) return options;
  return { ...options, chown: await numericOwner(container, options.chown) };
}

async function place(container: Container, request: Request): Promise<Digest> {
  const { sources, options, verb } = request;
  if (sources.length === 0 && !options.files?.length) throw new BldError('E_USAGE', 'src must be specified');
  const config = containerConfig(read(container).state);
  const path = inContainer(request.destination ?? '.', config.WorkingDir);
  const destination = /(?:^|\/)\.?$/.test(request.destination ?? '.') && path !== '/' ? `${path}/` : path;
  using stack = new DisposableStack();
  const { engine } = container;
  let opened: Promise<Job> | undefined;
  const open = async (): Promise<Job> => {
    const origin = stack.use(await originOfCopy(engine, options));
    const filter = filterOf(options);
    const downloads = await fetchAll(engine, request, stack);
    const written = (options.files ?? []).map((file) => stack.use(writtenFile(engine, file)));
    return { container, request, destination, origin, filter, downloads, written };
  };
  const counted = async (tree: CopyPlace | null) => {
    opened ??= open();
    const job = await opened;
    return work(job, tree).catch((error: unknown) => {
      throw explainAt(engine.store.root, error, `copying from ${job.origin.root.label}`);
    });
  };
  let sure: Digest | undefined;
  const copyInto = async (tree: CopyPlace) => {
    const copied = await counted(tree);
    if (sure === undefined || copied === sure) return copied;
    throw new BldError('E_PATH', 'the sources changed while they were copied', {
      hint: 'run it again when nothing writes to them',
    });
  };
  return await step<Digest>(container, {
    site: `${verb.toLowerCase()} ${sources.map(withoutLogins).join(' ')} ${destination}`,
    references: () => referencesOf(request, destination),
    inputs: async () => {
      sure = await counted(null);
      return [...inputsOf(request, destination), ['content', sure]];
    },
    createdBy: (digest) => {
      const kind = sources.length > 1 ? 'multi' : 'file';
      return `/bin/sh -c #(nop) ${verb} ${kind}:${digest.slice(7)} in ${destination} `;
    },
    addHistory: options.addHistory,
    as: options.as,
    work: async () => {
      using tree = await containerPlace(container);
      return await copyInto(tree);
    },
    apart: options.link ? () => linkLayer(engine, copyInto) : undefined,
  });
}

async function originOfCopy(engine: Engine, options: CopyOptions): Promise<Origin> {
  if (options.origin) return options.origin();
  return options.from === undefined ? hostOrigin(options) : imageOrigin(engine, options.from);
}

/** What was written, all but the sources. */
function inputsOf({ verb, options, unpack }: Request, destination: string): Inputs {
  return [
    ['operation', verb],
    ['destination', destination],
    ['chown', options.chown ?? ''],
    ['chmod', options.chmod ?? ''],
    ['timestamp', String(options.timestamp ?? '')],
    ['unpack', unpack],
    ...(options.link ? ([['link', 'yes']] as const) : []),
  ];
}

/** The sources by their names in layers, where those are all that they are. */
function referencesOf(request: Request, destination: string): Inputs | undefined {
  const { sources, options } = request;
  const { reference, files = [], leaveOut, exclude, parents, shallow, noWildcard, keepLinks } = options;
  if (reference === undefined || files.length > 0 || sources.some(isUrl)) return undefined;
  const how = { leaveOut, exclude, parents, shallow, noWildcard, keepLinks };
  return [
    ...inputsOf(request, destination),
    ['sources', JSON.stringify([sources, how])],
    ['source layers', reference],
  ];
}

async function fetchAll(
  engine: Engine,
  { sources, options: { checksum, secret } }: Request,
  stack: DisposableStack,
): Promise<ReadonlyMap<string, Download>> {
  const urls = sources.filter(isUrl);
  if (checksum !== undefined && (urls.length !== 1 || sources.length !== 1)) {
    throw new BldError('E_USAGE', '--checksum needs exactly one source, and that a URL');
  }
  const found = new Map<string, Download>();
  for (const url of urls) found.set(url, stack.use(await download(engine, url, { checksum, secret })));
  return found;
}

/** What a pass that only hashes takes for an owner that everything gets: its name is an input. */
const ANYBODY = { uid: 0, gid: 0 };

/** One pass over all sources: hashed, and into the tree, if there is one, copied as they are hashed. */
async function work(job: Job, tree: CopyPlace | null): Promise<Digest> {
  const { container, request, origin, downloads } = job;
  const { options } = request;
  const paths = request.sources.filter((source) => !downloads.has(source));
  const sources = openSources(origin.root, paths, options);
  try {
    if (tree === null) {
      const pass = new Pass({ job, owner: options.chown === undefined ? null : ANYBODY, target: null });
      await pass.all(sources);
      return pass.end();
    }
    const owners = ownerWriter(container.engine.store.kind.owners, tree.ownerFile);
    const owner = options.chown === undefined ? null : resolveOwner(tree.fd, options.chown);
    const pass = new Pass({ job, owner, target: { tree, owners } });
    try {
      await pass.all(sources);
    } catch (error) {
      undo(tree.fd, pass.made);
      throw error;
    }
    owners.flush();
    return pass.end();
  } finally {
    closeSources(sources);
  }
}
