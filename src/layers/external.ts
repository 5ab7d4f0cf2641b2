import { BldError, isErrno } from '../base/errors.ts';
import { feed } from './feed.ts';

const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };

/**
 * The stream through a decompressor of the machine (`xz -dc`, `bzip2 -dc`). E_UNSUPPORTED with a hint where it is not
 * installed, E_ARCHIVE with its message when it fails. Leaving the loop ends the program.
 */
export async function* external(source: AsyncIterable<Uint8Array>, program: string): AsyncGenerator<Buffer> {
  const { spawn } = await import('node:child_process'); // loads much that few layers need
  const child = spawn(program, ['-dc'], { env: ENVIRONMENT, stdio: ['pipe', 'pipe', 'pipe'] });
  let message = '';
  child.stderr.on('data', (text: Buffer) => {
    if (message.length < 2000) message += text.toString();
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  const feeding = feed(source, child.stdin);
  // awaited below; a failure before that is no unhandled one
  ended.catch(() => {});
  feeding.catch(() => {});
  try {
    yield* child.stdout;
    const code = await ended;
    if (code !== 0) throw new BldError('E_ARCHIVE', `${program}: ${message.trim() || `exit code ${code}`}`);
    const { whole } = await feeding;
    if (!whole) throw new BldError('E_ARCHIVE', `damaged ${program} stream: bytes after its end`);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new BldError('E_UNSUPPORTED', `the data is compressed for ${program}, which is not installed`, {
      hint: `install ${program === 'xz' ? 'xz-utils' : program}, or compress with gzip or zstd`,
      cause: error,
    });
  } finally {
    child.kill();
  }
}
