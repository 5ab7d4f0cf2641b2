import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BldError, explain, isErrno } from '../../base/errors.ts';
import type { IgnoreMatcher } from '../../dockerfile/ignore.ts';
import { redactText } from '../../registry/redact.ts';
import { preprocess } from '../cpp.ts';
import { download, isUrl } from '../download.ts';
import type { Engine } from '../engine.ts';
import type { Material } from '../material.ts';
import { type FetchedContext, type FetchOptions, fetchContext, gathered, unpackContext } from './fetched.ts';
import { readInside } from './inside.ts';
import { ignoreFilesOf, readIgnoreFile } from './sources.ts';

/** What a build reads: the Dockerfile's text and the files of its context. */
export interface BuildSource {
  readonly directory: string;
  /** How errors call the directory when it is not the person's own: `the context https://…`. */
  readonly label?: string | undefined;
  readonly ignore: IgnoreMatcher | undefined;
  /** `host:port` of a context that came by http or git. */
  readonly host?: string | undefined;
  /** Of a context that was fetched or unpacked, in seconds since 1970. */
  readonly date?: number | undefined;
  /** The person has the Dockerfile here: it came neither with a fetched context nor from an address. */
  readonly isOwn: boolean;
  readonly dockerfile: {
    readonly name: string;
    readonly text: string;
    /** Where it came from, when that was not this machine. */
    readonly remote?: Material | undefined;
  };
  /** Where the context came from, when that was not this machine. */
  readonly remote?: Material | undefined;
  /** All that was fetched for this. */
  readonly materials: readonly Material[];
}

export interface SourceRequest extends FetchOptions {
  /** A directory; a Dockerfile in one; an archive's path or URL; a git repository; `-` for an archive or a Dockerfile on standard input. */
  readonly context: string;
  /**
   * `-f`: relative to the working directory, else to the context; the context's Containerfile or Dockerfile when empty.
   * One that ends with `.in` passes through cpp.
   */
  readonly files?: readonly string[];
  readonly ignoreFile?: string | undefined;
  readonly cppFlags?: readonly string[] | undefined;
  /** What `-` reads. */
  readonly input?: () => AsyncIterable<Uint8Array>;
}

/** Finds and reads the Dockerfile and the ignore file; a context that is no directory is fetched and unpacked. E_NOT_FOUND, E_DOCKERFILE. */
export async function openSource(own: Engine, request: SourceRequest): Promise<BuildSource> {
  const materials: Material[] = [];
  const engine: Engine = { ...own, onMaterial: (material) => materials.push(material) };
  const { files = [], ignoreFile } = request;
  const input = once(request.input);
  const { directory, text, isFetched, dockerfile, host, date } = await contextOf(engine, request, input);
  const [remote] = materials;
  const label = isFetched ? labelOf(request.context) : undefined;
  const common = { directory, label, host, date, remote, materials };
  if (text !== undefined) {
    if (files.length > 0) throw new BldError('E_USAGE', 'the context is a Dockerfile, and -f names another');
    const isOwn = request.context === STDIN;
    return { ...common, isOwn, ignore: undefined, dockerfile: { name: 'Dockerfile', text, remote } };
  }
  const place = { directory, isFetched };
  const paths =
    files.length > 0 ? files.map((file) => findFile(file, place)) : [dockerfile ?? defaultFile(place)];
  const texts: string[] = [];
  for (const path of paths) {
    const read = await textOf(engine, path, { request, place, input });
    texts.push(path.endsWith('.in') ? await preprocessed(engine, read, { request, place, path }) : read);
  }
  const [first = ''] = paths;
  const ignore = ignoreOf(place, first, ignoreFile);
  const isOwn = paths.every((path) => !isUrl(path) && !(isFetched && isBelow(path, directory)));
  const from = isUrl(first) ? materials.at(-1) : isBelow(first, directory) ? remote : undefined;
  const found = { name: nameOf(first, directory), text: texts.join('\n'), remote: from };
  return { ...common, isOwn, ignore, dockerfile: found };
}

function labelOf(context: string): string {
  return context === STDIN ? 'the context on standard input' : `the context ${redactText(context)}`;
}

/** cpp reads what a file includes: a stranger's could have it read the machine's own files. */
function preprocessed(
  engine: Engine,
  text: string,
  { request, place, path }: { readonly request: SourceRequest; readonly place: Place; readonly path: string },
): Promise<string> {
  if (isUrl(path) || (place.isFetched && isBelow(path, place.directory))) {
    throw new BldError(
      'E_UNSUPPORTED',
      `${nameOf(path, place.directory)}: cpp is for files of this machine alone`,
      {
        hint: 'fetch the context, look at it, and build its directory',
      },
    );
  }
  return preprocess(text, { path, cppFlags: request.cppFlags, signal: engine.signal });
}

/** A context's files; those that were fetched are read as strangers'. */
interface Place {
  readonly directory: string;
  readonly isFetched: boolean;
}

function ignoreOf(place: Place, dockerfile: string, given: string | undefined): IgnoreMatcher | undefined {
  const { directory } = place;
  if (given === undefined) {
    const own = ['containerignore', 'dockerignore'].map((name) => `${dockerfile}.${name}`);
    const isInside = place.isFetched && isBelow(dockerfile, directory);
    const beside = isInside || isUrl(dockerfile) ? undefined : readIgnoreFile(own);
    const paths = isInside ? [...own, ...ignoreFilesOf(directory)] : ignoreFilesOf(directory);
    return beside ?? readIgnoreFile(paths, place.isFetched ? directory : undefined);
  }
  const ignore = readIgnoreFile([resolve(given)]);
  if (ignore) return ignore;
  throw new BldError('E_NOT_FOUND', `the ignore file ${given} is not there`);
}

const STDIN = '-';

function once(input: SourceRequest['input']): () => AsyncIterable<Uint8Array> {
  let used = false;
  return () => {
    if (used || !input)
      throw new BldError('E_USAGE', 'standard input can be read once: as context or as Dockerfile');
    used = true;
    return input();
  };
}

interface Opened extends Place, FetchedContext {
  /** The file that was named as the context: it is the Dockerfile, and its directory the context. */
  readonly dockerfile?: string;
}

async function contextOf(
  engine: Engine,
  request: SourceRequest,
  input: () => AsyncIterable<Uint8Array>,
): Promise<Opened> {
  const { context } = request;
  if (context === STDIN) return { ...(await unpackContext(engine, input())), isFetched: true };
  const directory = resolve(context);
  if (isDirectory(directory)) return { directory, isFetched: false };
  if (isFile(directory)) {
    const unpacked = await unpackContext(engine, createReadStream(directory));
    if (unpacked.text === undefined) return { ...unpacked, isFetched: true };
    return { directory: dirname(directory), isFetched: false, dockerfile: directory };
  }
  const fetched = await fetchContext(engine, context, request);
  if (fetched) return { ...fetched, isFetched: true };
  throw new BldError('E_NOT_FOUND', `the context ${JSON.stringify(context)} is not a directory`);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}

function findFile(file: string, place: Place): string {
  if (file === STDIN || isUrl(file)) return file;
  const inContext = join(place.directory, file);
  const here = resolve(file);
  // named by the person: `<(command)` of a shell is a pipe
  if (existsSync(here) && !isDirectory(here)) return here;
  if (isThere(inContext, place)) return inContext;
  throw new BldError('E_NOT_FOUND', `no such Dockerfile: ${file} is neither here nor in the context`);
}

function isThere(path: string, { directory, isFetched }: Place): boolean {
  if (!isFetched) return isFile(path);
  return isBelow(path, directory) && readInside(directory, path) !== null;
}

function defaultFile(place: Place): string {
  const names = ['Containerfile', 'Dockerfile'].map((name) => join(place.directory, name));
  const found = names.find((path) => isThere(path, place));
  if (found !== undefined) return found;
  const where = place.isFetched ? 'the context' : place.directory;
  throw new BldError('E_NOT_FOUND', `no Containerfile or Dockerfile in ${where}`, {
    hint: 'name another with -f FILE',
  });
}

interface Reading {
  readonly request: SourceRequest;
  readonly place: Place;
  readonly input: () => AsyncIterable<Uint8Array>;
}

async function textOf(engine: Engine, path: string, { request, place, input }: Reading): Promise<string> {
  if (path === STDIN) return (await gathered(input())).toString();
  if (isUrl(path)) {
    using file = await download(engine, path, { secret: request.access.secret });
    const stream = createReadStream('', { fd: file.fd, start: 0, autoClose: false });
    return (await gathered(stream)).toString();
  }
  if (!place.isFetched || !isBelow(path, place.directory)) return readText(path);
  return readInside(place.directory, path) ?? '';
}

/** How errors call the file: as short as it is clear. */
function nameOf(path: string, directory: string): string {
  if (path === STDIN || isUrl(path)) return 'Dockerfile';
  return isBelow(path, directory) ? path.slice(directory.length + 1) : path;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'EISDIR')) throw new BldError('E_PATH', `${path} is a directory`);
    throw explain(error, `reading ${path}`);
  }
}
