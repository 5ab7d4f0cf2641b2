import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BldError } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import type { SecretMount } from '../../dockerfile/mount.ts';
import type { RunMount } from '../../runtime/spec.ts';
import { inContainer } from '../destination.ts';
import type { GitAccess } from '../git/access.ts';
import { giveOwner, type Ownership } from '../ownership.ts';
import type { FetchOptions } from './fetched.ts';
import { type Command, scratchDirectory } from './mounts.ts';
import type { StepPlace } from './stage.ts';
import type { BuildOptions } from './types.ts';
import { openVault, type Vault } from './vault.ts';

/** What one secret or agent is for a command. */
export interface OpenedSecret {
  readonly mounts: readonly RunMount[];
  readonly env: Readonly<Record<string, string>>;
}

const NOTHING: OpenedSecret = { mounts: [], env: {} };

/** A secret as a file in memory, as a variable, or as both. E_NOT_FOUND when it is required and was not given. */
export function openSecret(place: StepPlace, mount: SecretMount, { cwd, user }: Command): OpenedSecret {
  const value = place.job.vault.value(mount.id);
  if (!value) {
    // a variable of a secret that may be missing is there, and empty: commands run with `set -u`
    if (!mount.required) return mount.env === undefined ? NOTHING : { mounts: [], env: { [mount.env]: '' } };
    throw new BldError('E_NOT_FOUND', `secret ${JSON.stringify(mount.id)} is required and was not given`, {
      hint: `give it with --secret id=${mount.id},src=PATH or --secret id=${mount.id},env=NAME`,
    });
  }
  const env = mount.env === undefined ? {} : { [mount.env]: value.toString() };
  if (mount.target === undefined) return { mounts: [], env };
  const target = inContainer(mount.target, cwd);
  const { mode } = mount;
  return { mounts: [{ kind: 'secret', target, content: value, mode, ...ownerOf(mount, user) }], env };
}

function ownerOf({ options, uid, gid }: SecretMount, user: Ownership): Ownership {
  return 'U' in options ? user : { uid, gid };
}

/** By what a build reaches others: `isOwn` for what the person named, and not the Dockerfile. */
export function accessOf(vault: Vault, ssh: BuildOptions['ssh'], isOwn: boolean): GitAccess {
  return {
    secret: (id) => vault.value(id)?.toString(),
    agent: ssh?.get('default'),
    isOwn,
    environment: process.env,
  };
}

/** How contexts are fetched. */
export function fetchOptions({ secrets, ssh, buildArgs }: Given): FetchOptions {
  const keepGitDir = /^(?:1|true)$/i.test(buildArgs?.get('BUILDKIT_CONTEXT_KEEP_GIT_DIR') ?? '');
  return { access: accessOf(openVault(secrets ?? new Map()), ssh, true), keepGitDir };
}

type Given = Pick<BuildOptions, 'secrets' | 'ssh' | 'buildArgs'>;

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
  giveOwner(place.container.engine.store.kind.owners, source, { ...ownerOf(mount, user), mode: mount.mode });
  const target = inContainer(mount.target ?? `/run/buildkit/ssh_agent.${count}`, cwd);
  const bind = { kind: 'bind', source, target, readonly: true, recursive: false } as const;
  return { mounts: [bind], env: { SSH_AUTH_SOCK: target } };
}

async function passOn(client: Socket, agent: string): Promise<void> {
  const upstream = connect(agent);
  try {
    await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
  } catch (error) {
    log.debug(`ssh agent: ${String(error)}`);
  }
}
