import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BldError, explain, isErrno } from '../../base/errors.ts';
import type { IgnoreMatcher } from '../../dockerfile/ignore.ts';
import { ignoreFilesOf, readIgnoreFile } from './sources.ts';

/** What a build reads: the Dockerfile's text and the files of its context. */
export interface BuildSource {
  readonly directory: string;
  readonly ignore: IgnoreMatcher | undefined;
  readonly dockerfile: { readonly name: string; readonly text: string };
}

export interface SourceRequest {
  /** Directory of the context. */
  readonly context: string;
  /** `-f`: relative to the working directory, else to the context; the context's Containerfile or Dockerfile when empty. */
  readonly files?: readonly string[];
  readonly ignoreFile?: string | undefined;
}

/** Finds and reads the Dockerfile and the ignore file. E_NOT_FOUND, E_DOCKERFILE. */
export function readSource({ context, files = [], ignoreFile }: SourceRequest): BuildSource {
  const directory = resolve(context);
  if (!isDirectory(directory)) {
    throw new BldError('E_NOT_FOUND', `the context ${JSON.stringify(context)} is not a directory`);
  }
  const paths = files.length > 0 ? files.map((file) => findFile(file, directory)) : [defaultFile(directory)];
  const [first = ''] = paths;
  const ignores =
    ignoreFile === undefined
      ? [`${first}.containerignore`, `${first}.dockerignore`, ...ignoreFilesOf(directory)]
      : [resolve(ignoreFile)];
  const ignore = readIgnoreFile(ignores);
  if (ignoreFile !== undefined && !ignore) {
    throw new BldError('E_NOT_FOUND', `the ignore file ${ignoreFile} is not there`);
  }
  return {
    directory,
    ignore,
    dockerfile: { name: nameOf(first, directory), text: paths.map(readText).join('\n') },
  };
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function findFile(file: string, directory: string): string {
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
