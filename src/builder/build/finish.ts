import type { Descriptor, Platform } from '../../base/descriptor.ts';
import { listEntry } from '../../images/list-entry.ts';
import { dropPassing, holdLists, storeList } from '../../images/lists.ts';
import { changeSettings } from '../../images/mutate.ts';
import { hostPlatform } from '../../images/platform.ts';
import type { Index } from '../../images/types.ts';
import type { ImageRecord } from '../../store/types.ts';
import { type Committing, commitSealed, pushOptions } from '../commit.ts';
import { changeState } from '../container.ts';
import type { Engine } from '../engine.ts';
import type { Attesting } from '../provenance/attest.ts';
import { dateHistory } from './dates.ts';
import { checkDestinations, deliver, dropMade, goesToRegistries, isAttested, type Made } from './deliver.ts';
import type { Job } from './job.ts';
import { carriedBy } from './kept-steps.ts';
import type { BuildOptions, Built, BuiltPlatform } from './types.ts';

/** Makes what the build is for, of stages that are built: an image or an index of several, under its names and where it goes. */
export async function finish(jobs: readonly Job[], options: BuildOptions, isParted: boolean): Promise<Built> {
  const [first] = jobs;
  if (!first) throw new Error('internal: a build of no platform');
  const { names = [], destinations = [], pushed = [], cacheOnly = false, list } = options;
  const isGiven = cacheOnly || list !== undefined || destinations.length + pushed.length > 0;
  const isPassing = names.length === 0 && isGiven;
  const attesting = await attestingOf(jobs, options);
  const made =
    isParted || attesting?.needsIndex
      ? await makeIndex(jobs, options, { isParted, attesting })
      : await makeOne(first, {
          names,
          passing: isPassing,
          lends: goesToRegistries(options),
        });
  try {
    const descriptor = await deliver(first.engine, { ...made, beside: attesting?.beside }, options);
    const { unusedBuildArgs } = first.plan;
    const { id, images, isIndex } = made;
    const manifest = descriptor?.digest ?? null;
    const provenance = await toldProvenance(jobs, options);
    const kept = made.lent ? [] : names;
    return { id, images, isIndex, names: kept, manifest, descriptor, unusedBuildArgs, provenance };
  } finally {
    if (isPassing) await dropMade(first.engine, made);
  }
}

/** Undefined where nothing is attested. */
async function attestingOf(jobs: readonly Job[], options: BuildOptions): Promise<Attesting | undefined> {
  if (!isAttested(options)) return undefined;
  const { openAttesting } = await import('../provenance/attest.ts');
  return openAttesting(jobs, options);
}

async function toldProvenance(jobs: readonly Job[], options: BuildOptions): Promise<readonly object[]> {
  if (!options.tellProvenance) return [];
  const attest = await import('../provenance/attest.ts');
  return attest.toldProvenance(jobs, options);
}

async function makeOne(job: Job, committing: Committing): Promise<Made> {
  const { names } = committing;
  if (names.length > 0 || committing.passing) tellCommit(job, names[0]);
  const image = await makeImage(job, committing);
  const { id } = image;
  const isLent = committing.lends && !job.engine.store.images.get(id);
  const images = [{ platform: platformOf(job), id }];
  return { id, images, isIndex: false, isParted: false, ...(isLent && { lent: image }) };
}

interface IndexForm {
  readonly isParted: boolean;
  readonly attesting: Attesting | undefined;
}

async function makeIndex(
  jobs: readonly Job[],
  options: BuildOptions,
  { isParted, attesting }: IndexForm,
): Promise<Made> {
  checkDestinations(options);
  const [first] = jobs;
  if (!first) throw new Error('internal: a build of no platform');
  const { names = [], commit = {}, indexAnnotations: annotations = {} } = options;
  const images: BuiltPlatform[] = [];
  const manifests: Descriptor[] = [];
  for (const job of jobs) {
    tellCommit(job, names[0]);
    const platform = platformOf(job);
    const image = await makeImage(job, { names: [], passing: true });
    const { id } = image;
    const { store, progress } = job.engine;
    const entry = await listEntry(store, image, { ...pushOptions(commit), onProgress: progress });
    images.push({ platform, id });
    manifests.push({ ...entry, platform });
  }
  if (attesting) manifests.push(...(await attestEach(first.engine, { attesting, images, manifests })));
  const format = commit.format ?? 'oci';
  const isAnnotated = format === 'oci' && Object.keys(annotations).length > 0;
  const index: Index = { schemaVersion: 2, manifests, ...(isAnnotated && { annotations }) };
  const { store, signal } = first.engine;
  using _ = await holdLists(store, signal);
  const { digest } = await storeList(store, index, names, format);
  return { id: digest, images, isIndex: true, isParted };
}

interface Attested {
  readonly attesting: Attesting;
  readonly images: readonly BuiltPlatform[];
  /** In the same order. */
  readonly manifests: readonly Descriptor[];
}

/** The entries that attest the images; when that fails, they go. */
async function attestEach(
  { store }: Engine,
  { attesting, images, manifests }: Attested,
): Promise<Descriptor[]> {
  const entries: Descriptor[] = [];
  try {
    for (const [at, { id }] of images.entries()) {
      const manifest = manifests[at];
      if (manifest) entries.push(await attesting.entry(at, id, manifest));
    }
    return entries;
  } catch (error) {
    for (const { id } of images) dropPassing(store, id);
    throw error;
  }
}

function platformOf({ options }: Job): Platform {
  return options.platform ?? hostPlatform();
}

function tellCommit(job: Job, name: string | undefined): void {
  job.options.onEvent?.({ kind: 'commit', stage: job.label(job.plan.target), name });
}

/** The image of the target stage: labels of the command line, dates, names. */
async function makeImage(job: Job, committing: Committing): Promise<ImageRecord> {
  const { options } = job;
  const { container } = await job.stage(job.plan.target.index);
  const labels = options.labels ?? {};
  if (Object.keys(labels).length > 0) {
    await changeState(container, (state) => {
      const all = { ...state.image.config?.Labels, ...labels };
      return { ...state, image: changeSettings(state.image, { Labels: all }) };
    });
  }
  const created = await dateHistory(container);
  return commitSealed(container, committing, { ...options.commit, created, carried: carriedBy(job) });
}
