import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../../base/errors.ts';
import type { Engine } from '../engine.ts';
import { type GitAccess, localEnvironment, remoteEnvironment } from './access.ts';
import { type GitAddress, isCommit, type Remote } from './address.ts';
import { GitFailure, git } from './program.ts';
import { placeSubmodules } from './submodules.ts';
import { evenOut, openSubdirectory } from './tree.ts';

/** The files of a commit in a scratch directory. */
export interface GitTree {
  readonly directory: string;
  readonly commit: string;
  /** Of the commit, seconds since 1970. */
  readonly date: number;
}

export interface Fetch {
  readonly engine: Engine;
  readonly access: GitAccess;
}

/**
 * Fetches one commit and nothing of its history, its submodules with it, and lays its files out: mode 0644 or 0755, dated
 * as the commit, without `.git` unless that is asked for. E_NOT_FOUND, E_AUTH, E_NETWORK; E_INTEGRITY for another commit
 * than the checksum; E_ENVIRONMENT without git.
 */
export async function fetchGit(engine: Engine, address: GitAddress, access: GitAccess): Promise<GitTree> {
  const { shown } = address.remote;
  engine.progress({ kind: 'start', id: shown, label: `Fetching ${shown}` });
  try {
    const directory = mkdtempSync(join(engine.store.scratch(), 'git-'));
    const { commit, date } = await layOut({ engine, access }, address, directory);
    evenOut(directory, date);
    engine.onMaterial?.({ kind: 'repository', address: shown, ref: address.ref, commit });
    return { directory: openSubdirectory(directory, address), commit, date };
  } finally {
    engine.progress({ kind: 'end', id: shown });
  }
}

/** Submodules in submodules: more than this is no repository that somebody works with. */
const DEEPEST = 16;

interface LaidOut {
  readonly commit: string;
  /** Of the commit, seconds since 1970. */
  readonly date: number;
}

/** Puts the files of the commit into the directory, which is empty. */
export async function layOut(
  fetch: Fetch,
  address: GitAddress,
  directory: string,
  depth = 0,
): Promise<LaidOut> {
  const { engine, access } = fetch;
  const { remote, checksum } = address;
  if (depth > DEEPEST) throw new BldError('E_LIMIT', `${remote.shown}: submodules are nested too deep`);
  const keepsGit = address.keepGitDir === true && address.subdir === undefined;
  const gitDir = keepsGit ? join(directory, '.git') : mkdtempSync(join(engine.store.scratch(), 'objects-'));
  const repository = new Repository({ fetch, remote, gitDir, directory });
  const commit = await repository.fetch(address.ref);
  if (checksum !== undefined && !(await repository.names()).some((name) => name.startsWith(checksum))) {
    throw new BldError(
      'E_INTEGRITY',
      `${remote.shown}: the commit is ${commit}, not the expected ${checksum}`,
    );
  }
  const date = Number(await repository.local('show', '--no-patch', '--format=%ct', commit));
  await repository.local('read-tree', '--reset', '-u', commit);
  if (address.submodules !== false) {
    const place = (submodule: GitAddress, into: string, how: GitAccess) =>
      layOut({ engine, access: how }, submodule, into, depth + 1);
    await placeSubmodules({ repository, remote, access, commit, directory, keepsGit }, place);
  }
  if (keepsGit) await repository.keep(commit);
  else rmSync(gitDir, { recursive: true, force: true });
  return { commit, date };
}

interface RepositoryParts {
  readonly fetch: Fetch;
  readonly remote: Remote;
  readonly gitDir: string;
  readonly directory: string;
}

/** Where the fetched commit is called. */
const FETCHED = 'refs/bld/fetched';

/** The objects of one commit, fetched. */
export class Repository {
  readonly #parts: RepositoryParts;

  constructor(parts: RepositoryParts) {
    this.#parts = parts;
  }

  /** git on what is here. */
  async local(...args: readonly string[]): Promise<string> {
    return this.#git(args, localEnvironment(this.#parts.fetch.access.environment));
  }

  /** The commit that the name means there; all of it is here then. */
  async fetch(ref: string | undefined): Promise<string> {
    const { shown } = this.#parts.remote;
    const isWhole = ref !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref);
    const found = isWhole ? { name: ref, id: ref } : await this.#find(ref);
    await this.#initialise(found?.id);
    if (found) {
      try {
        await this.#fetch('--depth=1', '--no-tags', `+${found.name}:${FETCHED}`);
        return await this.#commitOf(FETCHED);
      } catch (error) {
        if (!needsAll(error)) throw error;
      }
    }
    // part of a commit's digits, or a server that gives no single commit
    await this.#fetch('--tags', '+refs/heads/*:refs/bld/heads/*');
    const name = found ? found.id : (ref ?? 'HEAD');
    try {
      const commit = await this.#commitOf(name);
      await this.local('update-ref', FETCHED, name.length === commit.length ? name : commit);
      return commit;
    } catch (error) {
      if (!(error instanceof GitFailure)) throw error;
      throw missing(shown, name);
    }
  }

  /** What the commit may be called in a checksum: its digits, and those of the tag that names it. */
  async names(): Promise<string[]> {
    return [(await this.local('rev-parse', '--verify', FETCHED)).trim(), await this.#commitOf(FETCHED)];
  }

  /** Makes `.git` the same every time, and one that git works with. */
  async keep(commit: string): Promise<void> {
    const { gitDir, remote } = this.#parts;
    await this.local('config', 'remote.origin.url', remote.address);
    await this.local('config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*');
    await this.local('update-ref', '--no-deref', 'HEAD', commit);
    await this.local('update-ref', '-d', FETCHED);
    await this.local('-c', 'pack.threads=1', 'repack', '-q', '-a', '-d', '-F', '--window=0');
    // the index holds times and inodes of the files: a new one has none
    rmSync(join(gitDir, 'index'));
    await this.local('read-tree', commit);
    for (const name of ['FETCH_HEAD', 'ORIG_HEAD', 'logs'])
      rmSync(join(gitDir, name), { recursive: true, force: true });
  }

  async #commitOf(name: string): Promise<string> {
    return (
      await this.local('rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`)
    ).trim();
  }

  async #initialise(id: string | undefined): Promise<void> {
    const { gitDir } = this.#parts;
    mkdirSync(gitDir, { recursive: true });
    const format = id?.length === 64 ? ['--object-format=sha256'] : [];
    await this.local('init', '--quiet', '--template=', '--initial-branch=main', ...format);
  }

  async #fetch(...args: readonly string[]): Promise<void> {
    const options = args.filter((arg) => arg.startsWith('--'));
    const specs = args.filter((arg) => !arg.startsWith('--'));
    const quiet = ['--quiet', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules'];
    await this.#remote('fetch', ...quiet, ...options, '--', this.#parts.remote.address, ...specs);
  }

  /** The full name and object of a branch or tag, branches first; undefined for what may be digits of a commit. */
  async #find(ref: string | undefined): Promise<{ name: string; id: string } | undefined> {
    const { remote } = this.#parts;
    const names = ref === undefined ? ['HEAD'] : candidates(ref);
    const listed = await this.#remote('ls-remote', '--quiet', '--', remote.address, ...names);
    const ids = new Map(
      listed.split('\n').map((line) => [line.slice(line.indexOf('\t') + 1), line.split('\t')[0]]),
    );
    for (const name of names) {
      const id = ids.get(name);
      if (id !== undefined) return { name, id };
    }
    if (ref !== undefined && isCommit(ref)) return undefined;
    throw missing(remote.shown, ref ?? 'HEAD');
  }

  #remote(...args: readonly string[]): Promise<string> {
    const { remote, fetch } = this.#parts;
    return this.#git(args, remoteEnvironment(remote, fetch.access));
  }

  #git(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
    const { fetch, remote, gitDir, directory } = this.#parts;
    const own = { ...env, GIT_DIR: gitDir, GIT_WORK_TREE: directory };
    const { signal } = fetch.engine;
    return git(args, { cwd: directory, env: own, signal, shown: remote.shown });
  }
}

function candidates(ref: string): string[] {
  const name = ref.replace(/^refs\//, '');
  return ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/${name}`];
}

function missing(shown: string, ref: string): BldError {
  return new BldError(
    'E_NOT_FOUND',
    `git repository ${shown}: no branch, tag or commit ${JSON.stringify(ref)}`,
  );
}

/** Servers that give no single commits, or no part of a history. */
function needsAll(error: unknown): boolean {
  return (
    error instanceof GitFailure &&
    /shallow|not our ref|unadvertised object|allow(?:tip|reachable|any)sha1|couldn't find remote ref/i.test(
      error.complaint,
    )
  );
}
