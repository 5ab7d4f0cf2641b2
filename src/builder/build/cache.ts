import { BldError } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import { mapPool } from '../../base/pool.ts';
import type { Stage } from '../../dockerfile/plan.ts';
import type { CacheContent, ExportOptions } from '../../images/cache-export.ts';
import type { OpenCache } from '../../images/cache-import.ts';
import { formatLocation, type Location } from '../../images/location.ts';
import type { Platform } from '../../images/types.ts';
import type { StepRecord } from '../../store/types.ts';
import { read } from '../container.ts';
import type { Engine } from '../engine.ts';
import { fetchLent, isHere, type LentStep, type LentSteps } from '../step-lookup.ts';
import type { BuildOptions } from './types.ts';

/** Where a build keeps its steps for others. */
export interface CacheTarget extends Pick<ExportOptions, 'compression' | 'level' | 'force'> {
  readonly location: Location;
  /** `min`: the layers that the image has; `max`: those of all stages. */
  readonly mode: 'min' | 'max';
  /** A failure is told, and the build goes on. */
  readonly ignoreError: boolean;
}

/** Where a build looks for steps of others: the first of the places that is there. */
export type CacheSource = readonly Location[];

export interface CacheOptions {
  readonly to?: readonly CacheTarget[] | undefined;
  readonly from?: readonly CacheSource[] | undefined;
  /** The image carries the records of its own steps. */
  readonly inline?: boolean | undefined;
  /** Milliseconds: older steps are done anew. */
  readonly ttl?: number | undefined;
  /** Stages, by name or number, whose steps are done anew. */
  readonly noCacheFor?: readonly string[] | undefined;
}

/** The caches that a build reads. Dispose it after the build. */
interface Imports extends AsyncDisposable {
  readonly lent: LentSteps | undefined;
  /** What turned out to be missing, or a lie. */
  readonly failed: Failed;
  /** The same without that. */
  without(failed: Failed): Promise<Imports>;
}

interface Failed {
  /** Of caches. */
  readonly labels: Set<string>;
  /** Files were needed of a step that is told in outline. */
  outlines: boolean;
}

const AT_ONCE = 4;

/**
 * Runs `attempt` with what the options' caches lend. When one of them turns out to lack what it promised, or to lie, it is
 * told and run again without it: what was done till then is in the store.
 */
export async function withImports<Result>(
  engine: Engine,
  { cache, noCache, layers, platform, platforms }: BuildOptions,
  attempt: (lending: Engine) => Promise<Result>,
): Promise<Result> {
  const isUsed = layers !== false && !noCache;
  const wanted = platform ? [platform] : platforms;
  await using imports = await openImports(engine, (isUsed && cache?.from) || [], wanted);
  for (let lending: Imports = imports; ; ) {
    try {
      return await attempt({ ...engine, lent: lending.lent });
    } catch (error) {
      const { failed } = lending;
      if ((failed.labels.size === 0 && !failed.outlines) || engine.signal?.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      if (failed.labels.size > 0) {
        log.warn(`the build begins again without the cache ${[...failed.labels].join(', ')}: ${why}`);
      } else log.info(`the build begins again: ${why}`);
      lending = await lending.without(failed);
    }
  }
}

/** A container that stays gets the layers that it was lent, as far as they can be had. */
export async function keepLent(engine: Engine, id: string): Promise<void> {
  try {
    await fetchLent(engine, read({ engine, id }).record.layers);
  } catch (error) {
    if (!(error instanceof BldError)) throw error;
    log.warn(`the container ${id.slice(0, 12)} lacks layers: ${error.message}`);
  }
}

/** `--no-cache-filter` with a name that no stage has is no error, for one command line may serve many files. */
export function tellUnknownStages(stages: readonly Stage[], { noCacheFor = [] }: CacheOptions = {}): void {
  const known = stages.flatMap(({ name, index }) => [String(index), name?.toLowerCase()]);
  for (const name of noCacheFor) {
    if (known.includes(name.toLowerCase())) continue;
    log.warn(`--no-cache-filter: there is no stage ${JSON.stringify(name)}`);
  }
}

/** Opens the caches; one that cannot be read is told and left out, for a build does not depend on it. */
async function openImports(
  engine: Engine,
  sources: readonly CacheSource[],
  platforms: readonly Platform[] = [],
): Promise<Imports> {
  if (sources.length === 0) return importsOf(engine, []);
  const { openCache } = await import('../../images/cache-import.ts');
  const registry = registryOf(engine);
  const opened = await mapPool(sources, AT_ONCE, async (places) => {
    for (const [at, place] of places.entries()) {
      try {
        return [
          await openCache(engine.store, place, { ...(platforms.length > 0 && { platforms }), registry }),
        ];
      } catch (error) {
        if (!(error instanceof BldError) || engine.signal?.aborted) throw error;
        const isLast = at === places.length - 1;
        if (isLast || error.code !== 'E_NOT_FOUND') {
          log.warn(`the cache ${formatLocation(place)} is not used: ${error.message}`);
          return [];
        }
      }
    }
    return [];
  });
  const caches = opened.flat();
  for (const { label, steps } of caches) {
    if (steps.length === 0) log.warn(`the cache ${label} is not used: it tells of no steps`);
    else log.info(`${label} tells of ${steps.length} steps`);
  }
  return importsOf(engine, caches);
}

async function importsOf(engine: Engine, caches: readonly OpenCache[], outlined = true): Promise<Imports> {
  const failed: Failed = { labels: new Set(), outlines: false };
  return {
    lent: caches.length === 0 ? undefined : await lentBy(engine, { caches, outlined, failed }),
    failed,
    without: ({ labels, outlines }) => {
      const rest = caches.filter(({ label }) => !labels.has(label));
      return importsOf(engine, rest, outlined && !outlines);
    },
    async [Symbol.asyncDispose]() {
      for (const cache of caches) await cache[Symbol.asyncDispose]();
    },
  };
}

interface Lending {
  readonly caches: readonly OpenCache[];
  /** Steps whose layers nobody lends count too. */
  readonly outlined: boolean;
  readonly failed: Failed;
}

async function lentBy(engine: Engine, { caches, outlined, failed }: Lending): Promise<LentSteps> {
  const { lendLayers } = await import('../../images/lent-layers.ts');
  const layers = lendLayers(engine.store, caches, {
    onFailure: ({ source }) => failed.labels.add(labelOf(caches, source)),
    onProgress: engine.progress,
  });
  const byKey = new Map<string, LentStep>();
  const outlines = new Map<string, LentStep>();
  const bySite = new Map<string, StepRecord>();
  for (const { steps, label } of caches) {
    for (const record of steps) {
      const { key, diffId, site, created, inputs } = record;
      const known = diffId === null || layers.blob(diffId) !== null ? byKey : outlines;
      if (!known.has(key)) known.set(key, { record, from: label });
      if (inputs.length > 0 && created >= (bySite.get(site)?.created ?? 0)) bySite.set(site, record);
    }
  }
  const told = new Set(outlined ? [...outlines.values()].map(({ record }) => record.diffId) : []);
  return {
    ...layers,
    image: () => null,
    find: (key) => byKey.get(key) ?? (outlined ? outlines.get(key) : undefined) ?? null,
    latest: (site) => bySite.get(site) ?? null,
    isOutlined: (diffId) => told.has(diffId),
    async fetch(diffId) {
      if (isHere(engine, diffId) || layers.blob(diffId) !== null) return layers.fetch(diffId);
      if (!told.has(diffId)) return;
      failed.outlines = true;
      throw new BldError(
        'E_NOT_FOUND',
        `the layer ${diffId} is needed, and the cache tells of it in outline`,
      );
    },
  };
}

function labelOf(caches: readonly OpenCache[], source: OpenCache['source']): string {
  return caches.find((cache) => cache.source === source)?.label ?? source.label;
}

/** Writes the steps to the place. */
export async function writeCache(
  engine: Engine,
  content: CacheContent,
  target: CacheTarget & { readonly platform?: Platform | undefined },
): Promise<void> {
  const { location, ignoreError, compression, level, force, platform } = target;
  const label = formatLocation(location);
  if (content.steps.length === 0) {
    log.warn(`the cache ${label} is not written: there are no steps with files to keep`);
    return;
  }
  try {
    const { exportCache } = await import('../../images/cache-export.ts');
    await exportCache(engine.store, content, location, {
      platform,
      ...(compression && { compression }),
      ...(level !== undefined && { level }),
      ...(force !== undefined && { force }),
      lent: engine.lent,
      registry: registryOf(engine),
      onProgress: engine.progress,
    });
    log.info(`${content.steps.length} steps written to ${label}`);
  } catch (error) {
    if (!ignoreError || !(error instanceof BldError) || engine.signal?.aborted) throw error;
    log.warn(`the cache ${label} was not written: ${error.message}`);
  }
}

export function registryOf(engine: Engine) {
  return { ...engine.registry, uid: engine.environment.uid, signal: engine.signal };
}
