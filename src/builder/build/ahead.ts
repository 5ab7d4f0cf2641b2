import type { Digest } from '../../base/digest.ts';
import { log } from '../../base/log.ts';
import { noProgress, type Progress } from '../../base/progress.ts';
import type { Plan, Stage } from '../../dockerfile/plan.ts';
import { pushOptions } from '../commit.ts';
import type { Engine } from '../engine.ts';
import type { PushRequest } from '../images.ts';
import { locationOf } from './deliver.ts';
import type { BuildOptions } from './types.ts';

/** Compresses the layers of an image that is given out while the steps that follow are done. */
export interface Ahead {
  /** The stage has these layers so far, bottom first. */
  made(plan: Plan, stage: Stage, layers: readonly Digest[]): void;
  /** Ends with the layer that is under way; those after it are left to whoever needs them. */
  settle(): Promise<void>;
}

/** Undefined where nothing is to be compressed, or not all of it in one way, or not these layers. */
export function openAhead(engine: Engine, options: BuildOptions): Ahead | undefined {
  const request = requestOf(options);
  if (!request || engine.cache === false) return undefined;
  const { store, lent, signal } = engine;
  const known = new Set<Digest>();
  let tail = Promise.resolve();
  let isSettled = false;
  let progress: Progress = noProgress;

  const compress = async (diffId: Digest, below: Digest | undefined) => {
    if (isSettled || signal?.aborted || lent?.blob(diffId)) return;
    try {
      const { layerBlob } = await import('../../images/materialise.ts');
      const { format: _, ...how } = request;
      const onProgress: Progress = (event) => progress(event);
      await layerBlob(store, { layer: { diffId }, below }, { ...how, signal, onProgress });
    } catch (error) {
      log.debug(`${diffId} was not compressed ahead: ${String(error)}`); // whoever needs it meets the same, or does not
    }
  };

  return {
    made(plan, stage, layers) {
      const [top, below] = [layers.at(-1), layers.at(-2)];
      if (top === undefined || known.has(top) || !isOfTarget(plan, stage)) return;
      known.add(top);
      tail = tail.then(() => compress(top, below));
    },
    async settle() {
      isSettled = true;
      progress = engine.progress;
      await tail;
    },
  };
}

/** The one form in which all places that take compressed layers get them. */
function requestOf({ destinations = [], pushed = [], commit = {} }: BuildOptions): PushRequest | undefined {
  if (commit.squash || commit.timestamp !== undefined || commit.rewriteTimestamp) return undefined;
  const own = pushOptions(commit);
  const packed = destinations.filter(({ location }) => !TARS.includes(locationOf(location).transport));
  const requests = [...packed, ...pushed].map(({ compression, level, force }) =>
    JSON.stringify({
      ...own,
      ...(compression && { compression }),
      ...(level && { level }),
      ...(force && { force }),
    }),
  );
  const [first, ...others] = new Set(requests);
  return first === undefined || others.length > 0 ? undefined : (JSON.parse(first) as PushRequest);
}

/** Transports that take plain tars. */
const TARS: readonly string[] = ['docker-archive', 'docker-daemon', 'containers-storage'];

/** True when the stage's layers are those of the image. */
function isOfTarget({ stages, target }: Plan, stage: Stage): boolean {
  for (let at: Stage | undefined = target; at; ) {
    if (at.index === stage.index) return true;
    at = at.base.kind === 'stage' ? stages[at.base.index] : undefined;
  }
  return false;
}
