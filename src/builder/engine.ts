import type { Digest } from '../base/digest.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import type { PullOptions } from '../images/pull.ts';
import { type Environment, environment } from '../native/environment.ts';
import type { RegistryOptions } from '../registry/config.ts';
import { storePlaces } from '../store/root.ts';
import { openStore } from '../store/store.ts';
import type { Store } from '../store/types.ts';
import type { LeakWatch } from './leaks.ts';
import type { Material } from './material.ts';
import type { StepNotice } from './step.ts';
import type { LentSteps } from './step-lookup.ts';

export interface EngineOptions {
  /** The process ends with the engine. */
  readonly last?: boolean;
  /** Where images and containers live; see the store's `storePlaces` when absent. */
  readonly root?: string | undefined;
  readonly runroot?: string | undefined;
  readonly progress?: Progress;
  /** Ends running commands and transfers. */
  readonly signal?: AbortSignal | undefined;
  /** Replay steps whose key is known, keep those that were done (`--cache`, `BLD_CACHE=1`). */
  readonly cache?: boolean;
  /** E_CACHE_MISS instead of doing a step. */
  readonly requireCached?: boolean;
  /** Say for each miss what differs from the last time. */
  readonly explain?: boolean;
  /** Do steps anew whose key is known, and keep them (`--no-cache` of a build). */
  readonly refresh?: boolean;
  /** Told of each step that is a layer's whether it was done or replayed. */
  readonly onStep?: ((step: StepNotice) => void) | undefined;
  /** Credentials, TLS and retries for all that speaks to registries. */
  readonly registry?: Partial<RegistryOptions>;
}

/** What all verbs stand on: one a process; dispose it to let go of the store. */
export interface Engine extends Disposable {
  readonly store: Store;
  readonly environment: Environment;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  readonly cache: boolean;
  readonly requireCached: boolean;
  readonly explain: boolean;
  readonly refresh: boolean;
  /** Milliseconds: an older record is none (`--cache-ttl`). */
  readonly cacheTtl: number;
  /** Steps and layers that were imported for this build alone. */
  readonly lent: LentSteps | undefined;
  /** Asked for images before they are pulled: those that it gives stay where they are till their layers are needed. */
  readonly borrow?: PullOptions['borrow'];
  readonly onStep: ((step: StepNotice) => void) | undefined;
  /** Told of what a build takes from elsewhere. */
  readonly onMaterial?: ((material: Material) => void) | undefined;
  /** Looks for secrets in new layers. */
  readonly watch?: LeakWatch | undefined;
  readonly registry: Partial<RegistryOptions>;
  /** Of one build: what its platforms and stages have in common is done once. */
  readonly shared?: SharedSteps | undefined;
}

/** Steps of one build, by their keys. */
export interface SharedSteps {
  /** Done by this build: to be replayed even where it does all steps anew. */
  readonly done: Set<Digest>;
}

/** Opens the store, made on first use. Cheap: nothing is scanned. */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const here = environment();
  const places = await storePlaces({
    root: options.root,
    runroot: options.runroot,
    uid: here.uid,
    env: process.env,
  });
  return engineOn(openStore({ ...places, mode: here.mode, last: options.last ?? false }), options);
}

/** The same on a store that is open already, which the engine then owns. */
export function engineOn(store: Store, options: EngineOptions = {}): Engine {
  return {
    store,
    environment: environment(),
    progress: options.progress ?? noProgress,
    signal: options.signal,
    cache: options.cache ?? false,
    requireCached: options.requireCached ?? false,
    explain: options.explain ?? false,
    refresh: options.refresh ?? false,
    cacheTtl: Number.POSITIVE_INFINITY,
    lent: undefined,
    onStep: options.onStep,
    registry: options.registry ?? {},
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}
