import type { Descriptor } from '../../base/descriptor.ts';
import type { Digest } from '../../base/digest.ts';
import { addAttestations } from '../../images/attestation.ts';
import { hostPlatform } from '../../images/platform.ts';
import { parseReference } from '../../images/reference.ts';
import { locationOf } from '../build/deliver.ts';
import type { Job } from '../build/job.ts';
import type { BuildOptions } from '../build/types.ts';
import type { Beside } from '../export.ts';
import { digestMap, factsOf } from './facts.ts';
import { statementFile } from './files.ts';
import { type Claim, metadataPredicate, predicateOf, predicateType, statementOf } from './predicate.ts';
import { imagePurl } from './purl.ts';
import type { ProvenanceOptions } from './types.ts';

/** What is to be said of the images of one build, wherever it is said. */
export interface Attesting {
  /** The attestations have to stand in an index; false where files alone are wanted. */
  readonly needsIndex: boolean;
  /** Attests the image of a job (counted from 0); the entry for the index that it stands in. */
  entry(at: number, image: Digest, manifest: Descriptor): Promise<Descriptor>;
  /** What stands beside its exported files; a label tells their names from those of other images. */
  beside(at: number, image: Digest, label: string | undefined): Promise<readonly Beside[]>;
}

/** Gets ready to attest the images that the jobs make. What a claim needs is done once. */
export function openAttesting(jobs: readonly Job[], options: BuildOptions): Attesting {
  const known = new Map<number, Promise<readonly Claim[]>>();
  const jobAt = (at: number): Job => {
    const job = jobs[at];
    if (!job) throw new Error('internal: an image without a job');
    return job;
  };
  const claims = (at: number, image: Digest) => {
    const made = known.get(at) ?? claimsOf(jobAt(at), image, options);
    known.set(at, made);
    return made;
  };
  return {
    needsIndex: needsIndex(options),
    async entry(at, image, manifest) {
      const job = jobAt(at);
      const digest = digestMap(manifest.digest);
      const subjects = subjectNames(job, options).map((name) => ({ name, digest }));
      const statements = (await claims(at, image)).map((claim) => ({
        statement: statementOf(subjects, claim),
        predicateType: claim.predicateType,
      }));
      return addAttestations(job.engine.store, manifest, statements);
    },
    async beside(at, image, label) {
      return (await claims(at, image)).flatMap((claim): Beside[] => {
        const { filename } = claim;
        if (filename === undefined) return [];
        const name = label === undefined ? filename : filename.replace(/(?=\.[^.]*$|$)/, `.${label}`);
        const make: Parameters<typeof statementFile>[2]['make'] = (subjects) => statementOf(subjects, claim);
        return [(files) => statementFile(jobAt(at), files, { name, make })];
      });
    },
  };
}

function needsIndex(options: BuildOptions): boolean {
  const { names = [], destinations = [], pushed = [], directories = [], tars = [], list } = options;
  const isImage = names.length + destinations.length + pushed.length > 0 || list !== undefined;
  return isImage || directories.length + tars.length === 0;
}

/** The scan first, for the scanner is something that the build took from elsewhere. */
async function claimsOf(job: Job, image: Digest, { sbom, provenance }: BuildOptions): Promise<Claim[]> {
  const claims: Claim[] = [];
  if (sbom) {
    const { scanImage } = await import('./scan.ts');
    claims.push(...(await scanImage(job, image, sbom.generator)));
  }
  if (provenance) {
    const { filename = 'provenance.json', inlineOnly } = provenance;
    claims.push({
      predicateType: predicateType(provenance),
      predicate: predicateOf(factsOf(job), provenance),
      filename: inlineOnly ? undefined : filename,
    });
  }
  return claims;
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

/** Predicates for the result of the build, when it asks for them. */
export function toldProvenance(jobs: readonly Job[], options: BuildOptions): object[] {
  const { tellProvenance, provenance } = options;
  if (!tellProvenance) return [];
  const how: ProvenanceOptions = provenance ?? { mode: 'min', version: 'v0.2' };
  return jobs.map((job) => metadataPredicate(factsOf(job), how, tellProvenance === 'all'));
}
