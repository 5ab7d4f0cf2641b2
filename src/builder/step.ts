import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { appendHistory, appendLayer } from '../images/mutate.ts';
import type { History } from '../images/types.ts';
import type { StepRecord } from '../store/types.ts';
import { now } from './clock.ts';
import { type Container, changeState, exclusively, read } from './container.ts';
import { freeze } from './freeze.ts';
import type { ContainerState } from './state.ts';

/** Raised when what goes into a key, or what a step does with the same inputs, changes. */
const CACHE_FORMAT = 'bld step 1';

/** Inputs of a step in the order in which they are compared when a miss is explained. */
export type Inputs = readonly (readonly [name: string, value: string])[];

export interface Step<Result> {
  /** What records of the same step have in common: `copy /app`. */
  readonly site: string;
  /** Everything but the files that the step depends on; asked for only when the cache is used. */
  readonly inputs: () => Promise<Inputs> | Inputs;
  /** `created_by` of its history entry. */
  readonly createdBy: (result: Result) => string;
  /** An entry in the image's history even without the cache. */
  readonly addHistory?: boolean | undefined;
  /** Does the work in the container's files; the result must survive JSON. */
  readonly work: () => Promise<Result>;
}

/**
 * Does one step of a container, alone on it. With the cache on, a step whose key is known is replayed: its layer is
 * put on top and its result given back; else it is done, and what it changed becomes a layer of its own.
 */
export async function step<Result>(container: Container, details: Step<Result>): Promise<Result> {
  return exclusively(container, async () => {
    if (container.engine.cache) return cachedStep(container, details);
    const result = await details.work();
    if (details.addHistory) {
      const entry = { created: now(), created_by: details.createdBy(result) };
      await changeState(container, (state) => ({ ...state, image: appendHistory(state.image, entry) }));
    }
    return result;
  });
}

/** What a step's record carries besides its layer. */
interface Recorded<Result> {
  readonly value: Result;
  readonly entry: History;
}

async function cachedStep<Result>(container: Container, details: Step<Result>): Promise<Result> {
  const { store, requireCached } = container.engine;
  await freeze(container, { created: now(), created_by: 'files changed outside of steps' });
  const inputs = await details.inputs();
  const { record } = read(container);
  const key = digestOf(JSON.stringify([CACHE_FORMAT, record.layers, inputs]));
  const known = store.steps.get(key);
  if (known && replay(container, known)) {
    log.info(`cached: ${details.site}`);
    return (known.result as Recorded<Result>).value;
  }
  const why = () => explainMiss(store.steps.latest(details.site), inputs);
  if (requireCached) {
    throw new BldError('E_CACHE_MISS', `not in the cache: ${details.site}: ${why()}`, {
      hint: 'build without --require-cached once',
    });
  }
  if (container.engine.explain) log.warn(`cache miss: ${details.site}: ${why()}`);
  const result = await details.work();
  const entry: History = { created: now(), created_by: details.createdBy(result) };
  const diffId = await freeze(container, entry);
  const recorded: Recorded<Result> = { value: result, entry };
  store.steps.put({ key, diffId, result: recorded, inputs, site: details.site });
  return result;
}

/** Puts the recorded step on top of the container; false when its layer is gone. */
function replay(container: Container, known: StepRecord): boolean {
  const { store } = container.engine;
  return store.transaction(() => {
    const { diffId } = known;
    if (diffId === null) return true;
    if (!store.layers.path(diffId) && store.layers.blobs(diffId).length === 0) return false;
    const { record, state } = read(container);
    store.containers.update(container.id, {
      layers: [...record.layers, diffId],
      state: withLayer(state, diffId, (known.result as Recorded<unknown>).entry),
    });
    return true;
  });
}

function withLayer(state: ContainerState, diffId: Digest, entry: History): ContainerState {
  return { ...state, image: appendLayer(state.image, diffId, entry) };
}

/** The first input that differs from the last time this step was done. */
export function explainMiss(last: StepRecord | null, inputs: Inputs): string {
  if (!last) return 'it was never done before';
  const before = new Map(last.inputs);
  for (const [name, value] of inputs) {
    const old = before.get(name);
    if (old === undefined) return `${name} is new: ${shown(value)}`;
    if (old !== value) return `${name} was ${shown(old)}, is ${shown(value)}`;
  }
  const gone = last.inputs.find(([name]) => !inputs.some(([other]) => other === name));
  if (gone) return `${gone[0]} is gone (was ${shown(gone[1])})`;
  return 'the files it starts from changed';
}

function shown(value: string): string {
  return value.length > 60 ? `${JSON.stringify(value.slice(0, 57))}…` : JSON.stringify(value);
}
