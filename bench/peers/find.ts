import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import type { Peer, Person } from '../types.ts';
import { bldPeer } from './bld.ts';
import { buildahPeer } from './buildah.ts';
import { dockerPeer } from './docker.ts';

export interface Search {
  readonly chroots: readonly string[];
  /** The base to try peers with. */
  readonly tiny: string;
  readonly wanted: readonly string[] | undefined;
  readonly person: Person | undefined;
  readonly tell: (line: string) => void;
}

/** An account by name; undefined when there is none. */
export function findPerson(name: string): Person | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid, , home] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined || home === undefined) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home };
}

function isWanted(search: Search, family: string): boolean {
  return search.wanted?.some((name) => name.startsWith(family)) ?? true;
}

/** Root directories to look in: this system's, and those that share the lab with it. */
function rootsOf(lab: Lab, { chroots, tell }: Search): string[] {
  const here = statSync(lab.path);
  const shared = chroots.filter((root) => {
    const there = statSync(join(root, lab.path), { throwIfNoEntry: false });
    const isSame = there?.dev === here.dev && there.ino === here.ino;
    if (!isSame) tell(`${root} is left out: its ${lab.path} is not this one (mount --bind /tmp ${root}/tmp)`);
    return isSame;
  });
  return ['', ...shared];
}

async function peersIn(
  root: string,
  { lab, search, stack }: { lab: Lab; search: Search; stack: AsyncDisposableStack },
): Promise<Peer[]> {
  const prefix = root && `chroot ${root}`;
  const where = root || 'this system';
  const found: Peer[] = [];
  if (isWanted(search, 'buildah')) {
    if (existsSync(join(root, '/usr/bin/buildah'))) {
      const peer = await buildahPeer(lab, { prefix, tiny: search.tiny, tell: search.tell });
      if (peer) found.push(peer);
    } else search.tell(`buildah is left out: not installed in ${where}`);
  }
  if (isWanted(search, 'docker')) {
    const folder = `docker${root.replaceAll('/', '-')}`;
    if (['/usr/sbin/dockerd', '/usr/bin/docker'].every((path) => existsSync(join(root, path)))) {
      found.push(stack.use(await dockerPeer(lab, { prefix, folder })));
    } else search.tell(`docker is left out: not installed in ${where}`);
  }
  return found;
}

/** bld, then every peer that is installed and wanted. Daemons end with the stack. */
export async function findPeers(lab: Lab, search: Search, stack: AsyncDisposableStack): Promise<Peer[]> {
  const found = [bldPeer(lab)];
  for (const root of rootsOf(lab, search)) found.push(...(await peersIn(root, { lab, search, stack })));
  const { wanted } = search;
  if (!wanted) return found;
  const slug = (peer: Peer) => peer.name.replace(' ', '-');
  return found.filter((peer) => peer.family === 'bld' || wanted.some((name) => slug(peer).startsWith(name)));
}

/** The same for the unprivileged user: bld and this system's Buildah (no user namespace is made in a chroot). */
export async function findRootlessPeers(lab: Lab, search: Search): Promise<Peer[]> {
  const { person, tiny, tell } = search;
  if (!person) return [];
  const found = [bldPeer(lab, person)];
  if (!isWanted(search, 'buildah') || !existsSync('/usr/bin/buildah')) return found;
  const buildah = await buildahPeer(lab, { prefix: '', person, tiny, tell });
  return buildah ? [...found, buildah] : found;
}
