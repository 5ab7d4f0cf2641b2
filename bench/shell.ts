import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import type { Person } from './types.ts';

const TIME = '/usr/bin/time';

/** GNU time tells the peak memory of what it starts. */
export const canTellMemory = existsSync(TIME);

export interface Measured {
  readonly ms: number;
  /** Resident memory of the largest process, in KiB. */
  readonly peak: number | undefined;
  readonly stdout: string;
}

export interface ShellOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly person?: Person | undefined;
}

/** What a person's processes start with; all state that tools keep beside their stores goes to the lab. */
function environmentOf(lab: Lab, person: Person | undefined): Record<string, string> {
  const home = lab.directory(`home-${person?.name ?? 'root'}`, person);
  return {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    HOME: home,
    USER: person?.name ?? 'root',
    XDG_RUNTIME_DIR: home,
    XDG_CACHE_HOME: join(home, '.cache'),
  };
}

/** The end of what a program said, without the places in its code. */
function lastLines(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^ +at /.test(line));
  return lines.slice(-6).join('\n');
}

/** Runs a script by `sh -eu` and measures it; an Error with the end of its stderr when it fails. */
export async function runShell(lab: Lab, script: string, options: ShellOptions = {}): Promise<Measured> {
  const { person } = options;
  const report = join(lab.path, 'time');
  rmSync(report, { force: true });
  const argv = [
    ...(canTellMemory ? [TIME, '-q', '-f', '%M', '-o', report] : []),
    ...(person ? ['setpriv', `--reuid=${person.uid}`, `--regid=${person.gid}`, '--init-groups'] : []),
    ...['sh', '-euc', script],
  ];
  const env = { ...environmentOf(lab, person), ...options.env };
  const [program = '', ...args] = argv;
  const began = performance.now();
  const child = spawn(program, args, {
    cwd: '/',
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  };
  lab.signal.addEventListener('abort', stop, { once: true });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = Promise.withResolvers<number | null>();
  child.on('error', ended.reject).on('close', ended.resolve);
  const code = await ended.promise.finally(() => lab.signal.removeEventListener('abort', stop));
  const ms = performance.now() - began;
  lab.signal.throwIfAborted();
  if (code !== 0) throw new Error(`exit code ${code}: ${lastLines(stderr) || lastLines(stdout)}`);
  const peak = canTellMemory ? Number(readFileSync(report, 'utf8')) : undefined;
  return { ms, peak, stdout: stdout.trim() };
}
