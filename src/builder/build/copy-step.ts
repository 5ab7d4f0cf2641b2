import { parseDigest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import type { CopyStep } from '../../dockerfile/evaluate.ts';
import { add, copy } from '../copy.ts';
import { isUrl } from '../download.ts';
import { sourceOf } from './sources.ts';
import type { StepPlace } from './stage.ts';

/** COPY and ADD by the verbs of the same names. */
export async function copyStep({ job, stage, container, words }: StepPlace, step: CopyStep): Promise<void> {
  for (const source of step.sources) if (step.kind === 'add') refuseGit(source);
  const source = await sourceOf(job, stage, step.from);
  const verb = step.kind === 'add' ? add : copy;
  // an empty source is the root, as in other builders
  const sources = step.sources.map((text) => text || '.');
  await verb(container, sources, step.destination, {
    origin: source.open,
    reference: source.reference,
    ignore: source.ignore,
    leaveOut: step.exclude,
    chown: step.chown,
    chmod: step.chmod,
    parents: step.parents,
    shallow: !step.parents,
    // `lock[.]json` is the way to name a file that may be missing
    allowEmptyWildcard: sources.every((text) => !/[*?]/.test(text)),
    checksum: step.checksum === undefined ? undefined : parseDigest(step.checksum),
    unpack: step.unpack,
    files: step.files,
    as: words,
  });
}

function refuseGit(source: string): void {
  const isGit =
    /^(?:git@|git:\/\/|ssh:\/\/)/.test(source) || (isUrl(source) && /\.git(?:[#?].*)?$/.test(source));
  if (!isGit) return;
  throw new BldError('E_UNSUPPORTED', `ADD from a git repository is not provided: ${source}`, {
    hint: 'clone it into the context, or give it as --build-context NAME=DIRECTORY and COPY --from=NAME',
  });
}
