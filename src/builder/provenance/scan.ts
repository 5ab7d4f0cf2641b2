import { lstatSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import { imageConfig } from '../../images/record.ts';
import type { ImageRecord } from '../../store/types.ts';
import type { Job } from '../build/job.ts';
import type { Engine } from '../engine.ts';
import { obtainImage } from '../from.ts';
import type { Material } from '../material.ts';
import type { Claim } from './predicate.ts';

const SPDX = 'https://spdx.dev/Document';
const LARGEST_SCAN = 256 << 20;

/**
 * Runs a scanner of BuildKit's protocol over the files of an image: it sees them at BUILDKIT_SCAN_SOURCE, and writes
 * in-toto statements to BUILDKIT_SCAN_DESTINATION. It is a build of its own, so that the same scan is not done twice.
 */
export async function scanImage(job: Job, image: Digest, generator: string): Promise<Claim[]> {
  const engine = listening(job.engine, image);
  const directory = mkdtempSync(join(engine.store.scratch(), 'scan-'));
  const output = join(directory, 'output');
  const { pull, run } = job.options;
  const text = dockerfileFor(engine, generator, await obtainImage(engine, generator, { pull }));
  engine.progress({ kind: 'message', text: `Scanning ${image} with ${generator}` });
  const { build } = await import('../build.ts');
  const dockerfile = { name: 'scanner', text };
  const source = { directory, ignore: undefined, isOwn: true, dockerfile, materials: [] };
  await build(engine, source, {
    contexts: new Map([
      ['generator', `docker-image://${generator}`],
      ['scanned', `docker-image://${image}`],
    ]),
    run: { ...run, volumes: [] },
    directories: [{ path: output, split: false }],
    cacheOnly: true,
  });
  const names = readdirSync(output).filter((name) => name.endsWith('.spdx.json'));
  if (names.length > 0) return names.sort().map((name) => readScan(output, name));
  throw new BldError('E_NOT_FOUND', `the scanner ${generator} wrote no file *.spdx.json`);
}

/** Of what the scan takes, the scanner is what comes from elsewhere. */
function listening(engine: Engine, scanned: Digest): Engine {
  const { onMaterial } = engine;
  if (!onMaterial) return engine;
  const tell = (material: Material) => {
    if (material.kind !== 'image' || material.image.id !== scanned) onMaterial(material);
  };
  return { ...engine, onMaterial: tell };
}

function dockerfileFor({ store }: Engine, generator: string, image: ImageRecord): string {
  const { config = {} } = imageConfig(store, image);
  const command = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (command.length === 0) {
    throw new BldError('E_USAGE', `the scanner ${generator} has neither an entrypoint nor a command`);
  }
  return `FROM generator AS scanner
ENV BUILDKIT_SCAN_SOURCE=/run/src/core/sbom BUILDKIT_SCAN_DESTINATION=/run/out
WORKDIR /run/out
WORKDIR ${JSON.stringify(config.WorkingDir || '/').replaceAll('$', '\\$')}
RUN --mount=type=bind,from=scanned,target=/run/src/core/sbom ${JSON.stringify(command)}
FROM scratch
COPY --from=scanner /run/out/ /
`;
}

/** What the scanner wrote is a stranger's: a link leads nowhere. */
function readScan(directory: string, name: string): Claim {
  const path = join(directory, name);
  const { size, isFile } = statOf(path);
  if (!isFile) throw new BldError('E_INTEGRITY', `the scanner's ${name} is not a file`);
  if (size > LARGEST_SCAN) {
    throw new BldError('E_LIMIT', `the scanner's ${name} is larger than ${LARGEST_SCAN >> 20} MiB`);
  }
  const { predicateType, predicate } = statementIn(readFileSync(path, 'utf8'), name);
  if (predicateType === SPDX) return { filename: name, predicateType, predicate };
  throw new BldError(
    'E_INTEGRITY',
    `the scanner's ${name} is not an in-toto statement with a predicate ${SPDX}`,
  );
}

function statOf(path: string) {
  const stat = lstatSync(path);
  return { size: stat.size, isFile: stat.isFile() };
}

function statementIn(text: string, name: string): { predicateType?: unknown; predicate?: unknown } {
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    throw new BldError('E_INTEGRITY', `the scanner's ${name} is not JSON`);
  }
}
