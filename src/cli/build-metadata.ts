import { writeFileSync } from 'node:fs';
import type { Descriptor } from '../base/descriptor.ts';
import { explain } from '../base/errors.ts';

/** What a metadata file tells, under the names that buildx gives it. */
export interface Metadata {
  /** Absent for an index. */
  readonly config?: string;
  readonly descriptor: Descriptor | null;
  readonly names: readonly string[];
  /** Predicates, by their platforms where there are several. */
  readonly provenance?: readonly (readonly [platform: string | undefined, predicate: object])[];
}

/** Writes `--metadata-file`. */
export function writeMetadata(path: string, { config, descriptor, names, provenance = [] }: Metadata): void {
  const told = provenance.map(([platform, predicate]) => {
    const key = 'buildx.build.provenance';
    return [platform === undefined ? key : `${key}/${platform}`, predicate] as const;
  });
  const metadata = {
    ...Object.fromEntries(told),
    ...(config !== undefined && { 'containerimage.config.digest': config }),
    ...(descriptor && {
      'containerimage.descriptor': descriptor,
      'containerimage.digest': descriptor.digest,
    }),
    ...(names.length > 0 && { 'image.name': names.join(',') }),
  };
  writeTold(path, `${JSON.stringify(metadata, null, 2)}\n`);
}

/** Writes a file that a flag named for what a build tells: `--iidfile` has the id, and no line end. */
export function writeTold(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw explain(error, `writing ${path}`);
  }
}
