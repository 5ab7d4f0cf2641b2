import { createReadStream, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BldError, explain, isErrno } from '../../base/errors.ts';
import type { IgnoreMatcher } from '../../dockerfile/ignore.ts';
import { LARGEST_FILE } from '../../dockerfile/parse.ts';
import { decompressed, sniff } from '../../layers/decompress.ts';
import { extractArchive } from '../../layers/extract.ts';
import { ownerFileOf } from '../../layers/owner-file.ts';
import { BLOCK, decodeBlock } from '../../layers/tar/header.ts';
import { sys } from '../../native/sys.ts';
import { download } from '../download.ts';
import type { Engine } from '../engine.ts';
import { pacedChunks } from '../pace.ts';
import { ignoreFilesOf, readIgnoreFile } from './sources.ts';

/** What a build reads: the Dockerfile's text and the files of its context. */
export interface BuildSource {
  readonly directory: string;
  readonly ignore: IgnoreMatcher | undefined;
  readonly dockerfile: { readonly name: string; readonly text: string };
}

export interface SourceRequest {
  /** A directory; an archive's path or URL; `-` for an archive or a Dockerfile on standard input. */
  readonly context: string;
  /** `-f`: relative to the working directory, else to the context; the context's Containerfile or Dockerfile when empty. */
  readonly files?: readonly string[];
  readonly ignoreFile?: string | undefined;
  /** What `-` reads. */
  readonly input?: () => AsyncIterable<Uint8Array>;
}

/** Finds and reads the Dockerfile and the ignore file; a context that is no directory is unpacked. E_NOT_FOUND, E_DOCKERFILE. */
export async function openSource(engine: Engine, request: SourceRequest): Promise<BuildSource> {
  const { files = [], ignoreFile } = request;
  const input = once(request.input);
  const { directory, text } = await contextOf(engine, request.context, input);
  if (text !== undefined) {
    if (files.length > 0)
      throw new BldError('E_USAGE', 'standard input is a Dockerfile, and -f names another');
    return { directory, ignore: undefined, dockerfile: { name: 'Dockerfile', text } };
  }
  const paths = files.length > 0 ? files.map((file) => findFile(file, directory)) : [defaultFile(directory)];
  const texts: string[] = [];
  for (const path of paths)
    texts.push(path === STDIN ? (await gathered(input())).toString() : readText(path));
  const [first = ''] = paths;
  const ignore = ignoreOf(directory, first, ignoreFile);
  const name = first === STDIN ? 'Dockerfile' : nameOf(first, directory);
  return { directory, ignore, dockerfile: { name, text: texts.join('\n') } };
}

function ignoreOf(
  directory: string,
  dockerfile: string,
  given: string | undefined,
): IgnoreMatcher | undefined {
  const own = ['containerignore', 'dockerignore'].map((name) => `${dockerfile}.${name}`);
  const paths = given === undefined ? [...own, ...ignoreFilesOf(directory)] : [resolve(given)];
  const ignore = readIgnoreFile(paths);
  if (given === undefined || ignore) return ignore;
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

interface OpenedContext {
  readonly directory: string;
  /** The context is a Dockerfile alone: there are no files. */
  readonly text?: string;
}

async function contextOf(
  engine: Engine,
  context: string,
  input: () => AsyncIterable<Uint8Array>,
): Promise<OpenedContext> {
  if (context === STDIN) return streamContext(engine, input());
  if (/^https?:\/\//i.test(context) && !/\.git(?:#.*)?$/.test(context)) {
    using file = await download(engine, context);
    return await streamContext(engine, createReadStream('', { fd: file.fd, start: 0, autoClose: false }));
  }
  if (/^(?:https?:\/\/|git@|git:\/\/|ssh:\/\/|github\.com\/)/i.test(context)) {
    throw new BldError('E_UNSUPPORTED', `the context is a git repository: ${context}`, {
      hint: 'clone it, and build its directory',
    });
  }
  const directory = resolve(context);
  if (isFile(directory)) return streamContext(engine, createReadStream(directory));
  if (isDirectory(directory)) return { directory };
  throw new BldError('E_NOT_FOUND', `the context ${JSON.stringify(context)} is not a directory`);
}

/** An archive, plain or compressed, is unpacked into a scratch directory; any other text is a Dockerfile. */
async function streamContext(engine: Engine, input: AsyncIterable<Uint8Array>): Promise<OpenedContext> {
  const directory = mkdtempSync(join(engine.store.scratch(), 'context-'));
  const chunks = input[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  while (size < BLOCK && !ended) {
    const next = await chunks.next();
    ended = next.done === true;
    if (!next.done) {
      head.push(next.value);
      size += next.value.length;
    }
  }
  const start = Buffer.concat(head);
  async function* whole() {
    yield start;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  }
  if (sniff(start) === 'none' && !isTar(start))
    return { directory, text: (await gathered(whole())).toString() };
  const root = sys().openRoot(directory);
  try {
    const { owners } = engine.store.kind;
    const ownerFile = ownerFileOf(directory);
    const target = { root, destination: Buffer.alloc(0), owners, ownerFile };
    await extractArchive(pacedChunks(decompressed(whole()), engine.signal), target);
  } finally {
    sys().close(root);
  }
  return { directory };
}

function isTar(start: Buffer): boolean {
  if (start.length < BLOCK) return false;
  try {
    decodeBlock(start.subarray(0, BLOCK));
    return true;
  } catch {
    return false;
  }
}

async function gathered(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_FILE) throw new BldError('E_LIMIT', 'standard input is too large for a Dockerfile');
  }
  return Buffer.concat(chunks);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function findFile(file: string, directory: string): string {
  if (file === STDIN) return STDIN;
  const candidates = [resolve(file), join(directory, file)];
  const found = candidates.find(isFile);
  if (found === undefined) {
    throw new BldError('E_NOT_FOUND', `no such Dockerfile: ${file} is neither here nor in the context`);
  }
  if (found.endsWith('.in')) {
    throw new BldError('E_UNSUPPORTED', `${file}: Dockerfiles are not run through cpp`, {
      hint: `do it yourself: cpp -E -traditional ${file} | bld build -f - .`,
    });
  }
  return found;
}

function defaultFile(directory: string): string {
  const found = ['Containerfile', 'Dockerfile'].map((name) => join(directory, name)).find(isFile);
  if (found !== undefined) return found;
  throw new BldError('E_NOT_FOUND', `no Containerfile or Dockerfile in ${directory}`, {
    hint: 'name another with -f FILE',
  });
}

/** How errors call the file: as short as it is clear. */
function nameOf(path: string, directory: string): string {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'EISDIR')) throw new BldError('E_PATH', `${path} is a directory`);
    throw explain(error, `reading ${path}`);
  }
}
