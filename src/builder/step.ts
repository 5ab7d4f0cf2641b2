import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { appendHistory, appendLayer } from '../images/mutate.ts';
import type { History } from '../images/types.ts';
import type { StepRecord } from '../store/types.ts';
import { now } from './clock.ts';
import { type Container, changeState, exclusively, read } from './container.ts';
import type { SharedSteps } from './engine.ts';
import { freeze } from './freeze.ts';
import type { ContainerState } from './state.ts';

/** Raised when what goes into a key, or what a step does with the same inputs, changes. */
const CACHE_FORMAT = 'bld step 2';

/** Inputs of a step in the order in which they are compared when a miss is explained. */
export type Inputs = readonly (readonly [name: string, value: string])[];

/** What a step is called where a Dockerfile has it: in place of the verb's own words. */
export interface StepWords {
  readonly site: string;
  readonly createdBy: string;
  readonly comment: string;
}

export interface Step<Result> {
  /** What records of the same step have in common: `copy /app`. */
  readonly site: string;
  /** Everything but the files that the step depends on; asked for only when the cache is used. */
  readonly inputs: () => Promise<Inputs> | Inputs;
  /** `created_by` of its history entry. */
  readonly createdBy: (result: Result) => string;
  /** An entry in the image's history even without the cache. */
  readonly addHistory?: boolean | undefined;
  /** Its words; with them the history gets an entry also when no file changed. */
  readonly as?: StepWords | undefined;
  /** Does the work in the container's files; the result must survive JSON. */
  readonly work: () => Promise<Result>;
}

/**
 * Does one step of a container, alone on it. With the cache on, a step whose key is known is replayed: its layer is
 * put on top and its result given back; else it is done, and what it changed becomes a layer of its own.
 */
export async function step<Result>(container: Container, details: Step<Result>): Promise<Result> {
  return exclusively(container, async () => {
    const { cache, onStep } = container.engine;
    if (cache) return cachedStep(container, details);
    const result = await details.work();
    if (details.addHistory || details.as) await addEntry(container, entryOf(details, result));
    onStep?.({ site: siteOf(details), replayed: false });
    return result;
  });
}

/** What a step's record carries besides its layer. */
interface Recorded<Result> {
  readonly value: Result;
  readonly entry: History;
}

function siteOf({ site, as }: Pick<Step<unknown>, 'site' | 'as'>): string {
  return as?.site ?? site;
}

function entryOf<Result>({ as, createdBy }: Step<Result>, result: Result, created = now()): History {
  return { created, created_by: as?.createdBy ?? createdBy(result), ...(as && { comment: as.comment }) };
}

async function addEntry(container: Container, entry: History): Promise<void> {
  await changeState(container, (state) => ({ ...state, image: appendHistory(state.image, entry) }));
}

async function cachedStep<Result>(container: Container, details: Step<Result>): Promise<Result> {
  const site = siteOf(details);
  await freeze(container, { created: now(), created_by: 'files changed outside of steps' });
  const inputs = await details.inputs();
  const { record } = read(container);
  const key = digestOf(JSON.stringify([CACHE_FORMAT, record.layers, inputs]));
  const { shared } = container.engine;
  const perform = () => keyedStep(container, details, { key, site, inputs });
  return shared ? alone(shared, key, perform) : perform();
}

/** One step of a key at a time: who comes second finds the record of the first. */
async function alone<Result>(
  { running, done }: SharedSteps,
  key: Digest,
  perform: () => Promise<Result>,
): Promise<Result> {
  for (let other = running.get(key); other; other = running.get(key)) await other.catch(() => {});
  const step = perform();
  running.set(key, step);
  try {
    const result = await step;
    done.add(key);
    return result;
  } finally {
    running.delete(key);
  }
}

interface Keyed {
  readonly key: Digest;
  readonly site: string;
  readonly inputs: Inputs;
}

async function keyedStep<Result>(
  container: Container,
  details: Step<Result>,
  { key, site, inputs }: Keyed,
): Promise<Result> {
  const { store, requireCached, refresh, onStep, shared } = container.engine;
  const known = refresh && !shared?.done.has(key) ? null : store.steps.get(key);
  if (known && replay(container, known, details)) {
    log.info(`cached: ${site}`);
    onStep?.({ site, replayed: true });
    return (known.result as Recorded<Result>).value;
  }
  const why = () => explainMiss(store.steps.latest(site), inputs);
  if (requireCached) {
    throw new BldError('E_CACHE_MISS', `not in the cache: ${site}: ${why()}`, {
      hint: 'build without --require-cached once',
    });
  }
  if (container.engine.explain) log.warn(`cache miss: ${site}: ${why()}`);
  const result = await details.work();
  const entry = entryOf(details, result);
  const diffId = await freeze(container, entry);
  if (diffId === null && details.as) await addEntry(container, entry);
  const recorded: Recorded<Result> = { value: result, entry };
  store.steps.put({ key, diffId, result: recorded, inputs, site });
  onStep?.({ site, replayed: false });
  return result;
}

/** Puts the recorded step on top of the container; false when its layer is gone. The entry keeps its date. */
function replay<Result>(container: Container, known: StepRecord, details: Step<Result>): boolean {
  const { store } = container.engine;
  return store.transaction(() => {
    const { diffId } = known;
    const { value, entry: recorded } = known.result as Recorded<Result>;
    const entry = entryOf(details, value, recorded.created);
    const { record, state } = read(container);
    if (diffId === null) {
      const image = appendHistory(state.image, entry);
      if (details.as) store.containers.update(container.id, { state: { ...state, image } });
      return true;
    }
    if (!store.layers.path(diffId) && store.layers.blobs(diffId).length === 0) return false;
    store.containers.update(container.id, {
      layers: [...record.layers, diffId],
      state: withLayer(state, diffId, entry),
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
