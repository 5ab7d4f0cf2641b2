import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../../base/errors.ts';
import { elsewhere, type GitAccess } from './access.ts';
import { type GitAddress, type Remote, submoduleRemote } from './address.ts';
import type { Repository } from './repository.ts';

export interface Parent {
  readonly repository: Repository;
  readonly remote: Remote;
  readonly access: GitAccess;
  readonly commit: string;
  /** Where its files are. */
  readonly directory: string;
  readonly keepsGit: boolean;
}

/** Lays a submodule out in a directory that is there and empty. */
type Place = (address: GitAddress, directory: string, access: GitAccess) => Promise<unknown>;

/** Lays out the submodules that the commit names, each at the commit that its parent has for it. */
export async function placeSubmodules(parent: Parent, place: Place): Promise<void> {
  const { repository, remote, access, commit, directory, keepsGit } = parent;
  const urls = await declared(repository, commit);
  if (urls.size === 0) return;
  const listed = await repository.local('ls-tree', '-z', '--full-tree', commit, '--', ...urls.keys());
  for (const line of listed.split('\0')) {
    const [, ref, path] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(line) ?? [];
    const url = path === undefined ? undefined : urls.get(path);
    if (ref === undefined || path === undefined || url === undefined) continue;
    const own = submoduleRemote(url, remote);
    const how = own.origin === remote.origin ? access : elsewhere(access);
    const address = { remote: own, ref, ...(keepsGit && { keepGitDir: true }) };
    await place(address, emptyDirectory(directory, path, remote.shown), how);
  }
}

/** Path → URL of what `.gitmodules` has. */
async function declared(repository: Repository, commit: string): Promise<Map<string, string>> {
  const urls = new Map<string, string>();
  const file = await repository.local('ls-tree', '-z', '--full-tree', commit, '--', '.gitmodules');
  const [, blob] = /^100\d+ blob ([0-9a-f]+)\t/.exec(file) ?? [];
  if (blob === undefined) return urls;
  const listed = await repository.local('config', '--null', '--list', '--blob', blob);
  const modules = new Map<string, Map<string, string>>();
  for (const entry of listed.split('\0')) {
    const [, name, key, value] = /^submodule\.(.+)\.([a-z]+)\n(.*)$/s.exec(entry) ?? [];
    if (name === undefined || key === undefined || value === undefined) continue;
    const module = modules.get(name) ?? new Map<string, string>();
    modules.set(name, module.set(key, value));
  }
  for (const module of modules.values()) {
    const [path, url] = [module.get('path')?.replace(/\/+$/, ''), module.get('url')];
    if (path && url && module.get('update') !== 'none') urls.set(path, url);
  }
  return urls;
}

/** git has made it, as it has no files of the submodule; links lead elsewhere. */
function emptyDirectory(directory: string, path: string, shown: string): string {
  let at = directory;
  for (const name of path.split('/')) {
    at = join(at, name);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (name === '..' || name === '.git' || !stat?.isDirectory()) throw wrong(shown, path);
  }
  if (readdirSync(at).length > 0) throw wrong(shown, path);
  return at;
}

function wrong(shown: string, path: string): BldError {
  return new BldError(
    'E_PATH',
    `git repository ${shown}: there is no place for a submodule at ${JSON.stringify(path)}`,
  );
}
