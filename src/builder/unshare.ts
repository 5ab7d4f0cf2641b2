import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { BldError, isErrno } from '../base/errors.ts';
import { environment } from '../native/environment.ts';

export interface UnshareOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program in the user and mount namespaces that bld itself is in; its exit code, 128 + n after signal n. */
export async function runInNamespaces(
  argv: readonly string[],
  options: UnshareOptions = {},
): Promise<number> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...process.env, ...options.env, _BLD_UNSHARED: environment().unshared },
  });
  const forward = () => child.kill('SIGTERM');
  options.signal?.addEventListener('abort', forward, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new BldError(
      'E_RUN',
      `${program}: ${error.code === 'ENOENT' ? 'command not found' : error.message}`,
      {
        exitCode: error.code === 'ENOENT' ? 127 : 126,
        cause: error,
      },
    );
  } finally {
    options.signal?.removeEventListener('abort', forward);
  }
}
