import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { ContainerRecord } from '../store/types.ts';
import type { Engine } from './engine.ts';
import type { ContainerState } from './state.ts';

/** A handle on a working container: the verbs take it, the store holds what it is. */
export interface Container {
  readonly engine: Engine;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** The right of use, held for good: nobody else changes the container. Disposed of by whoever lets go of it. */
  readonly held?: Disposable | undefined;
}

/** The container's record and state as they are now. */
export interface Snapshot {
  readonly record: ContainerRecord;
  readonly state: ContainerState;
}

/** The container of this name, id or id prefix; E_NOT_FOUND in Buildah's words. */
export function findContainer(engine: Engine, reference: string): Container {
  const record = engine.store.containers.find(reference);
  if (!record) throw unknownContainer(reference);
  return { engine, id: record.id };
}

function unknownContainer(reference: string): BldError {
  return new BldError(
    'E_NOT_FOUND',
    `reading build container ${JSON.stringify(reference)}: container not known`,
    {
      hint: '`bld containers` lists them, `bld from IMAGE` makes one',
    },
  );
}

/** Reads the container; E_NOT_FOUND when it was removed meanwhile. */
export function read(container: Container): Snapshot {
  const record = container.engine.store.containers.find(container.id);
  if (!record) throw unknownContainer(container.id);
  return { record, state: record.state as ContainerState };
}

/** Does the work with the container's right of use: one writer at a time. */
export async function exclusively<T>(container: Container, work: () => Promise<T>): Promise<T> {
  if (container.held) return work();
  using _ = await hold(container);
  return await work();
}

/** The container with its right of use, until that is disposed of. */
export async function heldFor(container: Container): Promise<Container> {
  return { ...container, held: await hold(container) };
}

/** Whoever waits says for whom. */
function hold({ engine, id }: Container): Promise<Disposable> {
  return engine.store.leases.hold(`container:${id}`, 'exclusive', {
    onWait: (pid) => log.warn(`waiting for process ${pid}, which works on container ${id.slice(0, 12)}`),
    signal: engine.signal,
  });
}

/** Replaces the state by what `change` makes of it, in one transaction with the reading. */
export async function changeState(
  container: Container,
  change: (state: ContainerState) => ContainerState,
): Promise<void> {
  const { store } = container.engine;
  store.transaction(() => {
    store.containers.update(container.id, { state: change(read(container).state) });
  });
}
