import { posix } from 'node:path';
import { parseDigest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import type { CopyStep } from '../../dockerfile/evaluate.ts';
import { add, copy } from '../copy.ts';
import type { Job } from './job.ts';
import { type FileSource, sourceOf } from './sources.ts';
import type { StepPlace } from './stage.ts';

/** COPY and ADD by the verbs of the same names. */
export async function copyStep({ job, stage, container, words }: StepPlace, step: CopyStep): Promise<void> {
  const verb = step.kind === 'add' ? add : copy;
  const repository = step.kind === 'add' ? await repositoryOf(job, step) : undefined;
  const source = repository ?? (await sourceOf(job, stage, step.from));
  const sources = repository ? ['.'] : step.sources.map(belowContext);
  await verb(container, sources, step.destination, {
    origin: source.open,
    reference: source.reference,
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

/** False for what is no address of a repository for sure: all of them have a colon or begin with that name. */
export function mayBeRepository(source: string): boolean {
  return source.includes(':') || /^github\.com\//i.test(source);
}

/** The files of a git repository that ADD names; undefined when it names none. */
async function repositoryOf({ engine, access }: Job, step: CopyStep): Promise<FileSource | undefined> {
  const { checksum, keepGitDir } = step;
  const sources = [...step.sources, ...step.files.map(({ name }) => name)];
  // git's code is loaded for those that may need it
  if (keepGitDir === undefined && !sources.some(mayBeRepository)) return undefined;
  const { openRepository } = await import('../git/source.ts');
  const found = await openRepository(engine, sources, { access, checksum, keepGitDir });
  if (found) return { open: found.open, trees: async () => [found.directory] };
  if (keepGitDir === undefined) return undefined;
  throw new BldError('E_USAGE', '--keep-git-dir needs a git repository as its source');
}

/** As other builders have it: an empty source is the root, and `..` leads no higher. */
function belowContext(source: string): string {
  const climbs = !source.startsWith('/') && /^\.\.(?:\/|$)/.test(posix.normalize(source));
  return climbs ? posix.join('/', source) : source || '.';
}
