import { spawn } from 'node:child_process';
import { BldError, isErrno } from '../../base/errors.ts';
import { redactText } from '../../registry/redact.ts';

const MOST_OUTPUT = 256 << 20;
const MOST_COMPLAINT = 64 << 10;

export interface GitCall {
  /** The directory that git starts in; it looks for no repository above it. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** How errors call the repository. */
  readonly shown: string;
}

/** What git says whatever the reason is. */
const EMPTY_WORDS =
  /^(?:hint:|warning:|could not read from remote repository|please make sure you have the correct access|and the repository exists)/i;

/** git said no; `complaint` is what it wrote to standard error. */
export class GitFailure extends BldError {
  readonly complaint: string;

  constructor(shown: string, complaint: string) {
    const said = complaint
      .split(/\r?\n/)
      .map((line) => redactText(line.replace(/^(?:fatal|error|remote): /, '').trim()))
      .filter((line) => line !== '' && !EMPTY_WORDS.test(line));
    const { code, hint } = kindOf(complaint);
    super(
      code,
      `git repository ${shown}: ${said.slice(-3).join('; ') || 'git failed and did not say why'}`,
      hint,
    );
    this.complaint = complaint;
  }
}

function kindOf(complaint: string) {
  if (/host key verification failed/i.test(complaint)) {
    const hint =
      'ssh does not know the host: compare what ssh-keyscan says of it, and put that into ~/.ssh/known_hosts';
    return { code: 'E_AUTH', hint: { hint } } as const;
  }
  if (
    /authentication failed|could not read (?:username|password)|permission denied|error: 40[13]|publickey/i.test(
      complaint,
    )
  ) {
    const hint =
      'for https give a token: --secret id=GIT_AUTH_TOKEN.HOST,env=NAME; for ssh let an agent hold the key: --ssh default';
    return { code: 'E_AUTH', hint: { hint } } as const;
  }
  if (/not found|does not exist|does not appear to be a git repository|not exported/i.test(complaint)) {
    return { code: 'E_NOT_FOUND', hint: {} } as const;
  }
  if (/transport '.*' not allowed/i.test(complaint)) return { code: 'E_UNSUPPORTED', hint: {} } as const;
  return { code: 'E_NETWORK', hint: {} } as const;
}

/** Runs the machine's git; gives what it wrote to standard output. GitFailure, E_ENVIRONMENT without git. */
export async function git(args: readonly string[], { cwd, env, signal, shown }: GitCall): Promise<string> {
  signal?.throwIfAborted();
  // a group of its own: what git starts ends with it, and there is no terminal to ask at
  const child = spawn('git', args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid);
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const [code, output, complaint] = await Promise.all([
      ended,
      gathered(child.stdout, MOST_OUTPUT),
      gathered(child.stderr, MOST_COMPLAINT),
    ]);
    signal?.throwIfAborted();
    if (code !== 0) throw new GitFailure(shown, complaint);
    return output;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new BldError('E_ENVIRONMENT', `git is not installed, and ${shown} is a git repository`, {
      hint: 'install git, or clone the repository and build its directory',
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** What is beyond the limit is read and dropped. */
async function gathered(stream: AsyncIterable<Buffer>, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    if (size < limit) chunks.push(chunk);
    size += chunk.length;
  }
  return Buffer.concat(chunks).toString();
}
