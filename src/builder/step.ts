import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { appendHistory, appendLayer } from '../images/mutate.ts';
import type { History } from '../images/types.ts';
import type { StepRecord } from '../store/types.ts';
import { now } from './clock.ts';
import { type Container, changeState, exclusively, read } from './container.ts';
import { freeze } from './freeze.ts';
import type { Leak } from './leaks.ts';

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
  /** In place of `work`: makes a layer that depends on no other one, and so does the step's key. */
  readonly apart?: (() => Promise<Apart<Result>>) | undefined;
}

/** What was made, and the layer that it is: null where it is nothing. */
interface Apart<Result> {
  readonly value: Result;
  readonly diffId: Digest | null;
  readonly leaks?: readonly Leak[];
}

/**
 * Does one step of a container, alone on it. With the cache on, a step whose key is known is replayed: its layer is
 * put on top and its result given back; else it is done, and what it changed becomes a layer of its own.
 */
export async function step<Result>(container: Container, details: Step<Result>): Promise<Result> {
  return exclusively(container, async () => {
    const { cache, onStep } = container.engine;
    if (cache) return cachedStep(container, details);
    if (details.apart) await freeze(container, outside());
    const result = details.apart ? (await perform(container, details)).value : await details.work();
    const isTold = details.apart === undefined && (details.addHistory || details.as !== undefined);
    if (isTold) await addEntry(container, entryOf(details, result));
    onStep?.({ site: siteOf(details), replayed: false });
    return result;
  });
}

/** What a step's record carries besides its layer. */
interface Recorded<Result> {
  readonly value: Result;
  readonly entry: History;
  /** Secrets in the layer: what was said when it was made is said again when it is replayed. */
  readonly leaks?: readonly Leak[];
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
  const { store, requireCached, refresh, onStep, shared } = container.engine;
  const site = siteOf(details);
  await freeze(container, outside());
  const inputs = await details.inputs();
  const { record } = read(container);
  const key = digestOf(JSON.stringify([CACHE_FORMAT, details.apart ? 'any' : record.layers, inputs]));
  const look = () => {
    const isAnew = refresh && !shared?.done.has(key);
    const known = isAnew ? null : store.steps.get(key);
    if (!known || !replay(container, known, details)) return undefined;
    log.info(`cached: ${site}`);
    const { leaks } = known.result as Recorded<Result>;
    if (leaks) container.engine.watch?.found(leaks);
    onStep?.({ site, replayed: true });
    return known.result as Recorded<Result>;
  };
  const known = look();
  if (known) return known.value;
  const why = () => explainMiss(store.steps.latest(site), inputs);
  if (requireCached) {
    throw new BldError('E_CACHE_MISS', `not in the cache: ${site}: ${why()}`, {
      hint: 'build without --require-cached once',
    });
  }
  using _ = await turnOf(container, key, site);
  const meanwhile = look();
  if (meanwhile) return meanwhile.value;
  if (container.engine.explain) log.warn(`cache miss: ${site}: ${why()}`);
  const { diffId, ...recorded } = await perform(container, details);
  store.steps.put({ key, diffId, result: recorded, inputs, site });
  shared?.done.add(key);
  onStep?.({ site, replayed: false });
  return recorded.value;
}

/** The history of what a container's files were changed by besides its steps. */
function outside(): History {
  return { created: now(), created_by: 'files changed outside of steps' };
}

/** Does the step, and makes a layer of what it did on top of the container's. */
async function perform<Result>(
  container: Container,
  details: Step<Result>,
): Promise<Recorded<Result> & { readonly diffId: Digest | null }> {
  const made = await details.apart?.();
  const value = made ? made.value : await details.work();
  const entry = entryOf(details, value);
  const { diffId, leaks = [] } = made ?? (await freeze(container, entry)) ?? { diffId: null };
  if (made && diffId !== null) putOnTop(container, diffId, entry);
  if (diffId === null && details.as) await addEntry(container, entry);
  return { value, entry, diffId, ...(leaks.length > 0 && { leaks }) };
}

function putOnTop(container: Container, diffId: Digest, entry: History): void {
  const { store } = container.engine;
  store.transaction(() => {
    const { record, state } = read(container);
    store.containers.update(container.id, {
      layers: [...record.layers, diffId],
      state: { ...state, image: appendLayer(state.image, diffId, entry) },
    });
  });
}

/** The same step of two builds at once is done by one of them: the other waits, and then finds it in the cache. */
async function turnOf({ engine }: Container, key: Digest, site: string): Promise<Disposable> {
  return engine.store.leases.hold(`step:${key}`, 'exclusive', {
    onWait: (pid) => {
      const who = pid === process.pid ? 'another stage' : `process ${pid}`;
      log.warn(`waiting for ${who}, which does the same: ${site}`);
    },
    signal: engine.signal,
  });
}

/** Puts the recorded step on top of the container; false when its layer is gone. The entry keeps its date. */
function replay<Result>(container: Container, known: StepRecord, details: Step<Result>): boolean {
  const { store } = container.engine;
  return store.transaction(() => {
    const { diffId } = known;
    const { value, entry: recorded } = known.result as Recorded<Result>;
    const entry = entryOf(details, value, recorded.created);
    if (diffId === null) {
      const { state } = read(container);
      const image = appendHistory(state.image, entry);
      if (details.as) store.containers.update(container.id, { state: { ...state, image } });
      return true;
    }
    if (!store.layers.path(diffId) && store.layers.blobs(diffId).length === 0) return false;
    putOnTop(container, diffId, entry);
    return true;
  });
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
