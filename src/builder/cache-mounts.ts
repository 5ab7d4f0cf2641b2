import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, hexOf } from '../base/digest.ts';
import { log } from '../base/log.ts';
import type { CacheMount } from '../dockerfile/mount.ts';
import { ownerWriter } from '../layers/owner.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { sys } from '../native/sys.ts';
import type { Engine } from './engine.ts';

export type { CacheMount };

/** A cache that a command is to see. */
export interface CacheRequest {
  readonly mount: CacheMount;
  /** Of several projects on one store: their caches of the same id are others. */
  readonly namespace?: string | undefined;
  /** Puts into a new one what it starts with. */
  readonly fill?: (directory: string) => Promise<void>;
}

/**
 * The directories of the caches, each held as its `sharing` says until the stack is disposed: `shared` with everybody,
 * `locked` alone, `private` a copy of its own where another command has it. They are taken in one order by all, so that
 * no two commands wait for each other; a command that names a cache twice gets it twice.
 */
export async function openCaches(
  engine: Engine,
  requests: readonly CacheRequest[],
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<CacheMount, string>> {
  const wanted = requests.map((request) => ({ ...request, identity: identityOf(request) }));
  const byName = Map.groupBy(wanted, ({ identity, mount }) =>
    hexOf(digestOf(mount.sharing === 'private' ? `private ${identity}` : identity)),
  );
  const opened = new Map<CacheMount, string>();
  for (const [, same] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [first] = same;
    if (!first) continue;
    const isLocked = same.some(({ mount }) => mount.sharing === 'locked');
    const sharing = isLocked ? 'locked' : first.mount.sharing;
    const name = await hold(engine, { identity: first.identity, sharing, title: titleOf(first), stack });
    const directory = engine.store.cacheMounts.find(name) ?? (await make(engine, name, first));
    engine.store.cacheMounts.touch(name, titleOf(first));
    for (const { mount } of same) opened.set(mount, directory);
  }
  return opened;
}

/** The directory that `openCaches` gave for the mount. */
export function cacheAt(opened: ReadonlyMap<CacheMount, string>, mount: CacheMount): string {
  const directory = opened.get(mount);
  if (directory === undefined) throw new Error(`internal: the cache ${mount.id} is not open`);
  return directory;
}

/** Caches that begin otherwise are others, as in BuildKit. */
function identityOf({ mount, namespace }: CacheRequest): string {
  const { id, uid, gid, mode, from, source } = mount;
  const origin = from === undefined ? [] : [from, source];
  return JSON.stringify([id, uid, gid, mode, ...origin, ...(namespace ? [{ namespace }] : [])]);
}

function titleOf({ mount, namespace }: CacheRequest): string {
  return namespace ? `${namespace}/${mount.id}` : mount.id;
}

interface Holding {
  readonly identity: string;
  readonly sharing: CacheMount['sharing'];
  readonly title: string;
  readonly stack: AsyncDisposableStack;
}

/** Holds a cache; its name, a hash, for ids are free text. */
async function hold(
  { store, signal }: Engine,
  { identity, sharing, title, stack }: Holding,
): Promise<string> {
  const name = hexOf(digestOf(identity));
  if (sharing !== 'private') {
    const onWait = (pid: number) => log.warn(`waiting for process ${pid}, which uses the cache ${title}`);
    stack.use(
      await store.leases.hold(`cache:${name}`, sharing === 'locked' ? 'exclusive' : 'shared', {
        onWait,
        signal,
      }),
    );
    return name;
  }
  for (let copy = 0; ; copy++) {
    const own = copy === 0 ? name : hexOf(digestOf(`${identity}\0${copy}`));
    const lease = store.leases.tryHold(`cache:${own}`, 'exclusive');
    if (!lease) continue;
    stack.use(lease);
    return own;
  }
}

/** A new cache: filled aside, so that nobody ever sees half of it. */
async function make({ store }: Engine, name: string, { mount, fill }: CacheRequest): Promise<string> {
  const outer = store.scratch();
  const fresh = join(outer, 'cache');
  mkdirSync(fresh);
  await fill?.(fresh);
  const dir = sys().openRoot(outer);
  try {
    const writer = ownerWriter(store.kind.owners, ownerFileOf(fresh));
    const { uid, gid, mode } = mount;
    const path = Buffer.from('cache');
    writer.set({ dir, name: path }, { type: 'dir', mode, uid, gid, xattrs: null }, path);
    writer.flush();
  } finally {
    sys().close(dir);
  }
  return store.cacheMounts.publish(name, fresh);
}
