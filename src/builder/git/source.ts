import { BldError } from '../../base/errors.ts';
import type { Engine } from '../engine.ts';
import { hostOrigin, type Origin } from '../origin.ts';
import type { GitAccess } from './access.ts';
import { type GitAddress, isCommit, parseGitAddress } from './address.ts';

export interface RepositoryOptions {
  readonly access: GitAccess;
  /** A commit, at least its first seven digits. */
  readonly checksum?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
}

/** A fetched repository as the one source of an ADD. */
export interface RepositorySource {
  readonly directory: string;
  readonly open: () => Origin;
}

/** Fetches the repository that is the one source; undefined when no source is one. E_USAGE for one among others. */
export async function openRepository(
  engine: Engine,
  sources: readonly string[],
  { access, ...options }: RepositoryOptions,
): Promise<RepositorySource | undefined> {
  const addresses = sources.map((text) => parseGitAddress(text)).filter((one) => one !== null);
  const [address] = addresses;
  if (!address) return undefined;
  if (sources.length > 1) {
    throw new BldError('E_USAGE', `${address.remote.shown} is a git repository, and not the only source`, {
      hint: 'write an ADD of its own for it',
    });
  }
  const { checksum = address.checksum, keepGitDir = address.keepGitDir } = options;
  if (checksum !== undefined && !isCommit(checksum)) {
    throw new BldError('E_USAGE', `--checksum of a git repository is a commit, not ${checksum}`);
  }
  requireAgent(access, address);
  const ref = address.ref ?? checksum;
  const wanted: GitAddress = {
    ...address,
    ...(ref !== undefined && { ref }),
    ...(checksum !== undefined && { checksum }),
    ...(keepGitDir !== undefined && { keepGitDir }),
  };
  const { fetchGit } = await import('./repository.ts');
  const { directory } = await fetchGit(engine, wanted, access);
  const label = `git repository ${address.remote.shown}`;
  return { directory, open: () => hostOrigin({ contextDir: directory, label }) };
}

/** What a Dockerfile names is never reached with keys that nobody gave to the build. */
function requireAgent({ isOwn, agent }: GitAccess, { remote }: GitAddress): void {
  const needsKey = remote.origin === undefined && !remote.address.startsWith('git://');
  if (isOwn || !needsKey || agent !== undefined) return;
  throw new BldError('E_NOT_FOUND', `${remote.shown} is reached by ssh, and no agent was given`, {
    hint: 'give one with --ssh default',
  });
}
