import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { appendHistory, appendLayer } from '../images/mutate.ts';
import type { History } from '../images/types.ts';
import type { StepRecord } from '../store/types.ts';
import { now } from './clock.ts';
import { type Container, changeState, exclusively, read } from './container.ts';
import type { Engine } from './engine.ts';
import { freeze, renewUpper } from './freeze.ts';
import type { Leak } from './leaks.ts';
import { type Found, findStep, isAvailable, lastOf } from './step-lookup.ts';

/** Raised when what goes into a key, or what a step does with the same inputs, changes. */
const CACHE_FORMAT = 'bld step 4';

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
  /**
   * The same by the names of the layers that files come from, where those names say all: found without looking at a
   * file. Undefined where they do not.
   */
  readonly references?: (() => Promise<Inputs | undefined> | Inputs | undefined) | undefined;
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

/** How a step went. */
export interface StepNotice {
  readonly site: string;
  readonly replayed: boolean;
  /** What was found or kept of it: none without the cache. */
  readonly records: readonly StepRecord[];
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
    onStep?.({ site: siteOf(details), replayed: false, records: [] });
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

/** The key of a step with these inputs on these layers, or on any. */
export function stepKey(layers: readonly Digest[] | 'any', inputs: Inputs): Digest {
  return digestOf(JSON.stringify([CACHE_FORMAT, layers, inputs]));
}

async function cachedStep<Result>(container: Container, details: Step<Result>): Promise<Result> {
  const { engine } = container;
  const site = siteOf(details);
  if (!container.held) await freeze(container, outside());
  const layers = details.apart ? 'any' : read(container).record.layers;
  const references = await details.references?.();
  const short = references && stepKey(layers, [['by', 'reference'], ...references]);
  const referred = short && lookByReference(container, details, { key: short, layers });
  if (referred) return tellReplayed(container, site, referred);
  const inputs = await details.inputs();
  const keyed: Keyed = { site, key: stepKey(layers, inputs), short, inputs };
  const known = look(container, details, keyed);
  if (known) return tellReplayed(container, site, known);
  if (engine.requireCached) {
    throw new BldError('E_CACHE_MISS', `not in the cache: ${site}: ${missOf(container, keyed)}`, {
      hint: 'build without --require-cached once',
    });
  }
  using _ = await turnOf(container, keyed);
  const meanwhile = look(container, details, keyed);
  if (meanwhile) return tellReplayed(container, site, meanwhile);
  if (engine.explain) log.warn(`cache miss: ${site}: ${missOf(container, keyed)}`);
  const { diffId, ...result } = await perform(container, details);
  keep(container, keyed, { diffId, result });
  return result.value;
}

interface Keyed {
  readonly site: string;
  readonly key: Digest;
  /** The key by reference. */
  readonly short: Digest | undefined;
  readonly inputs: Inputs;
}

/** Replays the step if it is known: its records, also under the key by reference. */
function look<Result>(
  container: Container,
  details: Step<Result>,
  { key, short }: Keyed,
): readonly Found[] | undefined {
  const { engine } = container;
  return engine.store.transaction(() => {
    const found = findStep(engine, key);
    if (!found || !replay(container, found, details)) return undefined;
    const twin = short && { ...found, record: { ...found.record, key: short } };
    if (twin && found.from === null) engine.store.steps.put(twin.record);
    return touched(engine, twin ? [twin, found] : [found]);
  });
}

/** The same by the names of the layers that its files come from. */
function lookByReference<Result>(
  container: Container,
  details: Step<Result>,
  { key, layers }: { readonly key: Digest; readonly layers: readonly Digest[] | 'any' },
): readonly Found[] | undefined {
  const { engine } = container;
  return engine.store.transaction(() => {
    const found = findStep(engine, key);
    if (!found || !replay(container, found, details)) return undefined;
    const same = findStep(engine, stepKey(layers, found.record.inputs));
    return touched(engine, same ? [found, same] : [found]);
  });
}

function touched({ store }: Engine, found: readonly Found[]): readonly Found[] {
  for (const { record, from } of found) if (from === null) store.steps.touch(record.key);
  return found;
}

/** Keeps what the step did for the next time. */
function keep(
  { engine }: Container,
  { site, key, short, inputs }: Keyed,
  made: { readonly diffId: Digest | null; readonly result: unknown },
): void {
  const record: StepRecord = { ...made, key, inputs, site, created: Date.now() };
  const records = short ? [{ ...record, key: short }, record] : [record];
  for (const one of records) {
    engine.store.steps.put(one);
    engine.shared?.done.add(one.key);
  }
  engine.onStep?.({ site, replayed: false, records });
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
  renewUpper(container);
}

/** The same step of two builds at once is done by one of them: the other waits, and then finds it in the cache. */
async function turnOf({ engine }: Container, { key, site }: Keyed): Promise<Disposable> {
  return engine.store.leases.hold(`step:${key}`, 'exclusive', {
    onWait: (pid) => {
      const who = pid === process.pid ? 'another stage' : `process ${pid}`;
      log.warn(`waiting for ${who}, which does the same: ${site}`);
    },
    signal: engine.signal,
  });
}

/** Says that the step was replayed, and gives back what it gave when it was done. */
function tellReplayed<Result>({ engine }: Container, site: string, found: readonly Found[]): Result {
  const [first] = found;
  if (!first) throw new Error('internal: replayed without a record');
  const { explain, onStep, watch } = engine;
  const { value, leaks } = first.record.result as Recorded<Result>;
  if (leaks) watch?.found(leaks);
  if (first.from === null) log.info(`cached: ${site}`);
  else if (explain) log.warn(`cached: ${site}: from ${first.from}`);
  else log.info(`cached: ${site}: from ${first.from}`);
  onStep?.({ site, replayed: true, records: found.map(({ record }) => record) });
  return value;
}

function missOf({ engine }: Container, { site, key, inputs }: Keyed): string {
  if (engine.refresh) return 'it is to be done anew';
  const known = engine.store.steps.get(key) ?? engine.lent?.find(key)?.record;
  if (known && Date.now() - known.created >= engine.cacheTtl) return 'it was done too long ago';
  if (known) return 'its layer is gone';
  return explainMiss(lastOf(engine, site), inputs);
}

/** Puts the recorded step on top of the container; false when its layer is gone. The entry keeps its date. */
function replay<Result>(container: Container, { record: known }: Found, details: Step<Result>): boolean {
  const { engine } = container;
  const { diffId } = known;
  const { value, entry: recorded } = known.result as Recorded<Result>;
  const entry = entryOf(details, value, recorded.created);
  if (diffId === null) {
    const { state } = read(container);
    const image = appendHistory(state.image, entry);
    if (details.as) engine.store.containers.update(container.id, { state: { ...state, image } });
    return true;
  }
  if (!isAvailable(engine, diffId)) return false;
  putOnTop(container, diffId, entry);
  return true;
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
