import { parseDigest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import type { CopyStep } from '../../dockerfile/evaluate.ts';
import { add, copy } from '../copy.ts';
import { type GitAddress, isCommit, parseGitAddress } from '../git/address.ts';
import { hostOrigin } from '../origin.ts';
import type { Job } from './job.ts';
import { type FileSource, sourceOf } from './sources.ts';
import type { StepPlace } from './stage.ts';

/** COPY and ADD by the verbs of the same names. */
export async function copyStep({ job, stage, container, words }: StepPlace, step: CopyStep): Promise<void> {
  const verb = step.kind === 'add' ? add : copy;
  const repository = step.kind === 'add' ? await repositoryOf(job, step) : undefined;
  const source = repository ?? (await sourceOf(job, stage, step.from));
  // an empty source is the root, as in other builders
  const sources = repository ? ['.'] : step.sources.map((text) => text || '.');
  await verb(container, sources, step.destination, {
    origin: source.open,
    ignore: source.ignore,
    leaveOut: step.exclude,
    chown: step.chown,
    chmod: step.chmod,
    parents: step.parents,
    // with one layer for all steps there is none to stand apart
    link: step.link && job.engine.cache,
    shallow: !step.parents,
    // `lock[.]json` is the way to name a file that may be missing
    allowEmptyWildcard: sources.every((text) => !/[*?]/.test(text)),
    checksum: step.checksum === undefined || repository ? undefined : parseDigest(step.checksum),
    secret: job.access.secret,
    unpack: step.unpack,
    files: step.files,
    as: words,
  });
}

/** The files of a git repository that ADD names; undefined when it names none. */
async function repositoryOf(job: Job, step: CopyStep): Promise<FileSource | undefined> {
  const addresses = step.sources.map((text) => parseGitAddress(text));
  const [address] = addresses;
  if (!address) {
    if (addresses.some((one) => one !== null)) throw severalSources();
    if (step.keepGitDir !== undefined)
      throw new BldError('E_USAGE', '--keep-git-dir needs a git repository as its source');
    return undefined;
  }
  if (addresses.length > 1 || step.files.length > 0) throw severalSources();
  const { checksum = address.checksum, keepGitDir = address.keepGitDir } = step;
  if (checksum !== undefined && !isCommit(checksum)) {
    throw new BldError('E_USAGE', `--checksum of a git repository is a commit, not ${checksum}`);
  }
  requireAgent(job, address);
  const wanted = {
    ...address,
    ...(address.ref === undefined && checksum !== undefined && { ref: checksum }),
    ...(checksum !== undefined && { checksum }),
    ...(keepGitDir !== undefined && { keepGitDir }),
  };
  const { fetchGit } = await import('../git/repository.ts');
  const { directory } = await fetchGit(job.engine, wanted, job.access);
  const label = `git repository ${address.remote.shown}`;
  return { open: () => hostOrigin({ contextDir: directory, label }), trees: async () => [directory] };
}

function severalSources(): BldError {
  return new BldError('E_USAGE', 'a git repository is the only source of its ADD', {
    hint: 'write an ADD of its own for it',
  });
}

/** What a Dockerfile names is never reached with keys that nobody gave to the build. */
function requireAgent({ access }: Job, { remote }: GitAddress): void {
  if (remote.origin !== undefined || remote.address.startsWith('git://') || access.agent !== undefined)
    return;
  throw new BldError('E_NOT_FOUND', `${remote.shown} is reached by ssh, and no agent was given`, {
    hint: 'give one with --ssh default',
  });
}
