import { spawn } from 'node:child_process';
import { BldError, isErrno } from '../base/errors.ts';
import { printable } from '../base/log.ts';
import type { Credentials } from './config.ts';

const OUTPUT_LIMIT = 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** The helper's program is not on this machine. */
export class HelperMissing extends BldError {}

function failure(program: string, why: string): BldError {
  return new BldError('E_AUTH', `credential helper ${program} ${why}`, {
    hint: 'it is named in the file of logins (credHelpers, credsStore): mend it there, or use --creds',
  });
}

interface Output {
  readonly code: number | null;
  readonly text: string;
}

function run(program: string, verb: string, input: string): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error: BldError) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      // a grandchild may hold the pipe open
      child.stdout.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => end(failure(program, `gave no answer in ${TIMEOUT_MS / 1000} s`)),
      TIMEOUT_MS,
    );
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > OUTPUT_LIMIT) end(failure(program, 'answered more than 1 MiB'));
    });
    child.stdin.on('error', () => {
      // a helper may answer without reading
    });
    child.on('error', (error) => {
      const missing = isErrno(error, 'ENOENT');
      const why = missing ? 'is not installed' : `did not start: ${error.message}`;
      end(
        missing ? new HelperMissing('E_AUTH', `credential helper ${program} ${why}`) : failure(program, why),
      );
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, text: Buffer.concat(chunks).toString('utf8') });
    });
    child.stdin.end(input);
  });
}

function programOf(name: string): string {
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    throw new BldError('E_AUTH', `malformed name of a credential helper: "${printable(name.slice(0, 100))}"`);
  }
  return `docker-credential-${name}`;
}

function isAbsent(text: string): boolean {
  return /credentials not found|not found in native|no usernames? or secret|no credentials/i.test(text);
}

/** What the helper `docker-credential-NAME` keeps for a server, or null when it keeps nothing. E_AUTH when it fails. */
export async function askHelper(name: string, server: string): Promise<Credentials | null> {
  const program = programOf(name);
  const { code, text } = await run(program, 'get', server);
  if (code !== 0) {
    if (isAbsent(text)) return null;
    throw failure(program, `failed (status ${code ?? 'killed'}): ${printable(text.trim().slice(0, 300))}`);
  }
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // told below; the text may hold the secret
  }
  const { Username, Secret } = (answer ?? {}) as Record<string, unknown>;
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw failure(program, 'gave no JSON of a login');
  if (Secret === '') return null;
  return Username === '<token>'
    ? { identityToken: Secret, username: Username }
    : { username: Username, password: Secret };
}

/** Hands a login to the helper. */
export async function tellHelper(name: string, server: string, login: Credentials): Promise<void> {
  const token = 'identityToken' in login;
  const document = {
    ServerURL: server,
    Username: token ? '<token>' : login.username,
    Secret: token ? login.identityToken : login.password,
  };
  const { code, text } = await run(programOf(name), 'store', JSON.stringify(document));
  if (code !== 0)
    throw failure(programOf(name), `did not store the login: ${printable(text.trim().slice(0, 300))}`);
}

/** Makes the helper forget a server; true unless it knew none. */
export async function clearHelper(name: string, server: string): Promise<boolean> {
  const { code, text } = await run(programOf(name), 'erase', server);
  if (code === 0) return true;
  if (isAbsent(text)) return false;
  throw failure(programOf(name), `did not remove the login: ${printable(text.trim().slice(0, 300))}`);
}
