import type { Descriptor } from '../../base/descriptor.ts';
import { addAttestations } from '../../images/attestation.ts';
import { hostPlatform } from '../../images/platform.ts';
import { parseReference } from '../../images/reference.ts';
import { locationOf } from '../build/deliver.ts';
import type { Job } from '../build/job.ts';
import type { BuildOptions } from '../build/types.ts';
import type { Beside } from '../export.ts';
import { digestMap, factsOf } from './facts.ts';
import { statementFile } from './files.ts';
import { metadataPredicate, predicateType, statementOf } from './predicate.ts';
import { imagePurl } from './purl.ts';
import type { ProvenanceOptions } from './types.ts';

/** True when attestations have to stand in an index; false where files alone are wanted. */
export function needsIndex(options: BuildOptions): boolean {
  const { names = [], destinations = [], pushed = [], directories = [], tars = [], list } = options;
  const isImage = names.length + destinations.length + pushed.length > 0 || list !== undefined;
  return isImage || directories.length + tars.length === 0;
}

/** Attests each of these images, made by the jobs in their order; the entries for the index that they stand in. */
export async function attestImages(
  jobs: readonly Job[],
  images: readonly Descriptor[],
  options: BuildOptions,
): Promise<Descriptor[]> {
  const { provenance } = options;
  const entries: Descriptor[] = [];
  if (!provenance) return entries;
  for (const [at, image] of images.entries()) {
    const job = jobs[at];
    if (!job) throw new Error('internal: an image without a job');
    const { store } = job.engine;
    const digest = digestMap(image.digest);
    const subjects = subjectNames(job, options).map((name) => ({ name, digest }));
    const statement = statementOf(subjects, factsOf(job), provenance);
    entries.push(
      await addAttestations(store, image, [{ statement, predicateType: predicateType(provenance) }]),
    );
  }
  return entries;
}

/** The image by all names that it gets; `_` stands for none, as in-toto has it. */
function subjectNames(job: Job, { names = [], pushed = [], destinations = [] }: BuildOptions): string[] {
  const platform = job.options.platform ?? hostPlatform();
  const elsewhere = destinations.flatMap(({ location }) => {
    const place = locationOf(location);
    return place.transport === 'docker' ? [place.reference] : [];
  });
  const own = [...names, ...pushed.map(({ name }) => name)].map(parseReference);
  const purls = [...own, ...elsewhere].map((reference) => imagePurl(reference, platform));
  return purls.length > 0 ? [...new Set(purls)] : ['_'];
}

/** What makes the file that attests exported files; undefined when none is wanted. */
export function besideFiles(
  jobs: readonly Job[],
  provenance: ProvenanceOptions,
): ((at: number, label: string | undefined) => Beside) | undefined {
  const { filename = 'provenance.json', inlineOnly } = provenance;
  if (inlineOnly) return undefined;
  return (at, label) => {
    const job = jobs[at];
    if (!job) throw new Error('internal: an image without a job');
    const name = label === undefined ? filename : filename.replace(/(?=\.[^.]*$|$)/, `.${label}`);
    return (files) =>
      statementFile(job, files, {
        name,
        make: (subjects) => statementOf(subjects, factsOf(job), provenance),
      });
  };
}

/** Predicates for the result, when it asks for them. */
export function toldProvenance(jobs: readonly Job[], options: BuildOptions): object[] {
  const { tellProvenance, provenance } = options;
  if (!tellProvenance) return [];
  const how: ProvenanceOptions = provenance ?? { mode: 'min', version: 'v0.2' };
  return jobs.map((job) => metadataPredicate(factsOf(job), how, tellProvenance === 'all'));
}
