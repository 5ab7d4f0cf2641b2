import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf } from '../base/digest.ts';
import type { KeptStep, Store } from '../store/types.ts';

/** One thing that the store keeps to save work. */
export interface CacheEntry {
  readonly kind: 'step' | 'mount';
  /** 64 hexadecimal digits: a step's key, a cache mount's name. */
  readonly id: string;
  /** Other keys of the same step. */
  readonly keys: readonly Digest[];
  /** Of a step that changed files. */
  readonly layer: Digest | null;
  /** What people know it by: where the step stands, the id of the cache. */
  readonly title: string;
  /** Bytes: of the layer's tar, or of the files. */
  readonly size: number;
  /** Milliseconds since 1970; null where nobody noted it. */
  readonly created: number | null;
  readonly used: number;
  /** An image or a container stands on the layer. */
  readonly inUse: boolean;
}

export type CacheKind = CacheEntry['kind'];

/** All that is kept, what was used last first. */
export function keptCache(store: Store, kinds: readonly CacheKind[] = ['step', 'mount']): CacheEntry[] {
  const steps = kinds.includes('step') ? keptSteps(store) : [];
  const mounts = kinds.includes('mount') ? keptMounts(store) : [];
  return [...steps, ...mounts].sort((a, b) => b.used - a.used);
}

/** A step that takes files from a stage has two keys: by the files, and by the stage's layers. */
function keptSteps(store: Store): CacheEntry[] {
  const used = usedLayers(store);
  const same = Map.groupBy(store.steps.list(), ({ site, diffId, created, inputs }) =>
    JSON.stringify([site, diffId, created, inputs]),
  );
  return [...same.values()].flatMap((records) => {
    const [first] = records;
    if (!first) return [];
    const { key, diffId, site, created } = first;
    return [
      {
        kind: 'step' as const,
        id: hexOf(key),
        keys: records.map((record) => record.key),
        layer: diffId,
        title: site,
        size: diffId === null ? 0 : sizeOf(store, diffId),
        created,
        used: lastUse(records),
        inUse: diffId !== null && used.has(diffId),
      },
    ];
  });
}

function lastUse(records: readonly KeptStep[]): number {
  return Math.max(...records.map(({ used }) => used));
}

function usedLayers(store: Store): ReadonlySet<Digest> {
  return new Set([
    ...store.images.list().flatMap(({ layers }) => layers.map(({ diffId }) => diffId)),
    ...store.containers.list().flatMap(({ layers }) => layers),
  ]);
}

function sizeOf(store: Store, diffId: Digest): number {
  return store.layers.size(diffId) ?? Math.max(0, ...store.layers.blobs(diffId).map(({ size }) => size));
}

function keptMounts(store: Store): CacheEntry[] {
  return store.cacheMounts.list().map(({ name, title, directory, used }) => ({
    kind: 'mount',
    id: name,
    keys: [],
    layer: null,
    title,
    size: bytesBelow(directory),
    created: null,
    used,
    inUse: false,
  }));
}

/** What the files below take on the disk; those that go meanwhile count for nothing. */
function bytesBelow(directory: string): number {
  let total = 0;
  const seen = new Set<number>();
  const rest = [directory];
  for (let at = rest.pop(); at !== undefined; at = rest.pop()) {
    try {
      for (const entry of readdirSync(at, { withFileTypes: true })) {
        const path = join(at, entry.name);
        const { blocks, ino, nlink } = lstatSync(path);
        if (nlink === 1 || entry.isDirectory() || !seen.has(ino)) total += blocks * 512;
        seen.add(ino);
        if (entry.isDirectory()) rest.push(path);
      }
    } catch {
      // gone, or not ours to look into
    }
  }
  return total;
}

export interface PruneOptions {
  readonly kinds?: readonly CacheKind[];
  /** Also steps that images and containers stand on: their layers stay, and are not found by builds any more. */
  readonly all?: boolean;
  /** Milliseconds: what was used since stays. */
  readonly olderThan?: number | undefined;
  /** Bytes that may stay: what was used last. */
  readonly keepStorage?: number | undefined;
}

export interface Pruned {
  readonly removed: readonly CacheEntry[];
  /** Bytes. */
  readonly freed: number;
}

/** Forgets steps and removes cache mounts, then the bytes that nothing needs any more; never those of an image, container or live process. */
export function pruneCache(store: Store, options: PruneOptions = {}): Pruned {
  const { kinds, all = false, olderThan = 0, keepStorage = 0 } = options;
  const now = Date.now();
  const entries = keptCache(store, kinds).filter(({ inUse }) => all || !inUse);
  let kept = 0;
  const goes = entries.filter(({ size, used }) => {
    kept += size;
    if (kept <= keepStorage && keepStorage > 0) return false;
    return now - used >= olderThan;
  });
  store.steps.remove(goes.flatMap(({ keys }) => keys));
  const removed = goes.filter(({ kind, id }) => kind === 'step' || store.cacheMounts.remove(id));
  const mounts = removed.filter(({ kind }) => kind === 'mount').reduce((sum, { size }) => sum + size, 0);
  return { removed, freed: store.collect().bytes + mounts };
}
