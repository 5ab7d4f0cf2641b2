import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BldError, isErrno } from '../base/errors.ts';
import { log } from '../base/log.ts';

interface CppOptions {
  /** Of the file: its directory is where includes are looked for. */
  readonly path: string;
  readonly cppFlags?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A Dockerfile's text as the C preprocessor leaves it. cpp takes each comment for a directive that it does not know: what
 * it says is a warning where it gives a text all the same, as in Buildah. E_DOCKERFILE, E_ENVIRONMENT without cpp.
 */
export async function preprocess(text: string, { path, cppFlags = [], signal }: CppOptions): Promise<string> {
  const args = [
    '-E',
    '-traditional',
    '-undef',
    '-nostdinc',
    '-P',
    '-iquote',
    dirname(path),
    ...cppFlags,
    '-',
  ];
  const child = spawn('cpp', args, { stdio: ['pipe', 'pipe', 'pipe'], ...(signal && { signal }) });
  const said: Buffer[] = [];
  const complaint: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => complaint.push(chunk));
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const fed = pipeline([Buffer.from(text)], child.stdin).catch((error: unknown) => {
      // a preprocessor that ends early tells why itself
      if (!isErrno(error, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET')) throw error;
    });
    const [code] = await Promise.all([ended, fed]);
    const read = Buffer.concat(said).toString();
    const problems = Buffer.concat(complaint).toString().trim();
    if (code === 0) return read;
    if (read.trim() === '') throw new BldError('E_DOCKERFILE', `${path}: cpp: ${problems}`);
    log.warn(`${path}: cpp: ${problems}`);
    return read;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new BldError('E_ENVIRONMENT', `${path} ends with .in, and cpp is not installed`, {
      hint: 'install the C preprocessor (package cpp), or do without it',
      cause: error,
    });
  }
}
