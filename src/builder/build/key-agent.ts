import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { BldError, isErrno } from '../../base/errors.ts';
import type { Engine } from '../engine.ts';

/** An agent that holds some keys, until it is disposed. */
export interface KeyAgent extends Disposable {
  readonly socket: string;
}

/**
 * Starts the machine's ssh-agent with these private keys. It lives as long as the command that it was started for, which
 * ends with bld by any means (it looks for that every ten seconds). E_AUTH for a key that cannot be taken, E_ENVIRONMENT without OpenSSH.
 */
export async function startKeyAgent({ store, signal }: Engine, keys: readonly string[]): Promise<KeyAgent> {
  const socket = join(mkdtempSync(join(store.scratch(), 'keys-')), 'agent');
  const args = ['-a', socket, 'sh', '-c', 'echo $SSH_AGENT_PID; exec cat >/dev/null'];
  const child = spawn('ssh-agent', args, { stdio: ['pipe', 'pipe', 'ignore'] });
  let agent = 0;
  const stop = () => {
    if (agent > 0) process.kill(agent);
    agent = 0;
    child.stdin.destroy();
  };
  child.stdin.on('error', () => {
    // the agent ended first
  });
  try {
    agent = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => reject(new BldError('E_ENVIRONMENT', 'ssh-agent ended at once')));
      child.stdout.once('data', (line: Buffer) => resolve(Number(line)));
    });
    for (const key of keys) await addKey(key, socket, signal);
    return { socket, [Symbol.dispose]: stop };
  } catch (error) {
    stop();
    throw missingProgram(error);
  }
}

async function addKey(key: string, socket: string, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const env = { PATH: process.env['PATH'], SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: 'never', LC_ALL: 'C' };
  // in a session of its own there is no terminal to ask for a passphrase
  const child = spawn('ssh-add', ['-q', key], { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(0, 4096);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return;
  const why = said.trim().split('\n').at(-1) || 'ssh-add did not take it';
  throw new BldError('E_AUTH', `key ${key}: ${why}`, {
    hint: 'a key with a passphrase belongs into an agent of your own: ssh-add KEY, then --ssh default',
  });
}

function missingProgram(error: unknown): unknown {
  if (!isErrno(error, 'ENOENT')) return error;
  return new BldError('E_ENVIRONMENT', 'keys for --ssh are held by ssh-agent, and OpenSSH is not installed', {
    hint: 'install openssh-client, or give the socket of another agent',
    cause: error,
  });
}
