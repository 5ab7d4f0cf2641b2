import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BldError, explain } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import type { SecretMount } from '../../dockerfile/mount.ts';
import type { RunMount } from '../../runtime/spec.ts';
import { inContainer } from '../destination.ts';
import type { GitAccess } from '../git/access.ts';
import type { Ownership } from '../ownership.ts';
import type { FetchOptions } from './fetched.ts';
import { type Command, scratchDirectory } from './mounts.ts';
import type { StepPlace } from './stage.ts';
import type { BuildOptions } from './types.ts';

/** Where the value of a `--secret` comes from. */
export type SecretSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'value'; readonly value: string };

const LARGEST_SECRET = 500 * 1024;

/** What one secret or agent is for a command. */
export interface OpenedSecret {
  readonly mounts: readonly RunMount[];
  readonly env: Readonly<Record<string, string>>;
}

const NOTHING: OpenedSecret = { mounts: [], env: {} };

/** A secret as a file, as a variable, or as both. E_NOT_FOUND when it is required and was not given. */
export function openSecret(
  place: StepPlace,
  mount: SecretMount,
  { cwd, stack, user }: Command,
): OpenedSecret {
  const given = place.job.options.secrets?.get(mount.id);
  if (!given) {
    if (!mount.required) return NOTHING;
    throw new BldError('E_NOT_FOUND', `secret ${JSON.stringify(mount.id)} is required and was not given`, {
      hint: `give it with --secret id=${mount.id},src=PATH or --secret id=${mount.id},env=NAME`,
    });
  }
  const value = secretValue(mount.id, given);
  const env = mount.env === undefined ? {} : { [mount.env]: value.toString() };
  if (mount.target === undefined) return { mounts: [], env };
  const source = join(scratchDirectory(place, stack, 'secret-'), 'secret');
  writeFileSync(source, value, { mode: 0o600 });
  giveTo(place, source, ownerOf(mount, user));
  chmodSync(source, mount.mode);
  const target = inContainer(mount.target, cwd);
  return { mounts: [{ kind: 'bind', source, target, readonly: true, recursive: false }], env };
}

function secretValue(id: string, given: SecretSource): Buffer {
  return given.kind === 'file' ? readSecret(id, given.path) : Buffer.from(given.value);
}

type Given = Pick<BuildOptions, 'secrets' | 'ssh' | 'buildArgs'>;

/** By what a build reaches others: `isOwn` for what the person named, and not the Dockerfile. */
export function accessOf({ secrets, ssh }: Given, isOwn: boolean): GitAccess {
  return {
    secret: (id) => {
      const given = secrets?.get(id);
      return given && secretValue(id, given).toString();
    },
    agent: ssh?.get('default'),
    isOwn,
    environment: process.env,
  };
}

/** How contexts are fetched. */
export function fetchOptions(options: Given): FetchOptions {
  const keepGitDir = /^(?:1|true)$/i.test(options.buildArgs?.get('BUILDKIT_CONTEXT_KEEP_GIT_DIR') ?? '');
  return { access: accessOf(options, true), keepGitDir };
}

function readSecret(id: string, path: string): Buffer {
  try {
    const { size } = statSync(path);
    if (size > LARGEST_SECRET) {
      throw new BldError('E_LIMIT', `secret ${id} is larger than ${LARGEST_SECRET} bytes: ${path}`);
    }
    return readFileSync(path);
  } catch (error) {
    throw explain(error, `reading secret ${id}`);
  }
}

/** An agent's socket, with the owner and mode that the mount asks for; connections are passed on. */
export async function openAgent(
  place: StepPlace,
  mount: SecretMount,
  { cwd, stack, user }: Command,
  count: number,
): Promise<OpenedSecret> {
  const agent = place.job.options.ssh?.get(mount.id);
  if (agent === undefined) {
    if (!mount.required) return NOTHING;
    throw new BldError('E_NOT_FOUND', `ssh agent ${JSON.stringify(mount.id)} is required and was not given`, {
      hint: `give it with --ssh ${mount.id === 'default' ? 'default' : `${mount.id}=SOCKET`}`,
    });
  }
  const source = join(scratchDirectory(place, stack, 'ssh-'), 'agent');
  const server = createServer((client) => void passOn(client, agent));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(source, resolve));
  stack.defer(() => void server.close());
  giveTo(place, source, ownerOf(mount, user));
  chmodSync(source, mount.mode);
  const target = inContainer(mount.target ?? `/run/buildkit/ssh_agent.${count}`, cwd);
  const bind = { kind: 'bind', source, target, readonly: true, recursive: false } as const;
  return { mounts: [bind], env: { SSH_AUTH_SOCK: target } };
}

function ownerOf({ options, uid, gid }: SecretMount, user: Ownership): Ownership {
  return 'U' in options ? user : { uid, gid };
}

/** Where there is one id, every command has it. */
function giveTo({ container }: StepPlace, path: string, { uid, gid }: Ownership): void {
  if (container.engine.store.kind.owners === 'real') chownSync(path, uid, gid);
}

async function passOn(client: Socket, agent: string): Promise<void> {
  const upstream = connect(agent);
  try {
    await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
  } catch (error) {
    log.debug(`ssh agent: ${String(error)}`);
  }
}
