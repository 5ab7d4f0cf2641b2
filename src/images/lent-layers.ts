import type { Readable } from 'node:stream';
import type { Digest } from '../base/digest.ts';
import { BldError, type ErrorCode } from '../base/errors.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import type { Store } from '../store/types.ts';
import type { ImageSource } from './copy.ts';
import { unpacksTo } from './layer-proof.ts';
import type { Descriptor } from './types.ts';

/** Layers that lie elsewhere: known by name, fetched when somebody needs their bytes. */
export interface LentLayers {
  /** The layer's bytes as they are there; null when nobody lends it. */
  blob(diffId: Digest): Descriptor | null;
  /** True when somebody lends this blob. */
  holds(digest: Digest): boolean;
  /** Reads them there, unverified. */
  open(blob: Descriptor, offset: number): Promise<Readable>;
  /** Repositories (`host/repository`) that have the blob. */
  origins(digest: Digest): readonly string[];
  /** Brings the layer into the store, verified; at once when the store has it. E_INTEGRITY when it is not what it is called. */
  fetch(diffId: Digest): Promise<void>;
}

/** Where layers are lent from. */
export interface Lender {
  readonly source: Pick<ImageSource, 'label' | 'open'>;
  readonly layers: ReadonlyMap<Digest, Descriptor>;
  /** `host/repository`, where it is one of a registry. */
  readonly origin?: string | undefined;
}

export interface LendingOptions {
  /** Told of the lender whose bytes could not be had, or were wrong, before the failure goes on its way. */
  readonly onFailure?: (lender: Lender) => void;
  readonly onProgress?: Progress;
}

/** What fails here whoever lends. */
const OWN_FAULTS: readonly ErrorCode[] = ['E_DISK_FULL', 'E_CANCELLED', 'E_PERMISSION', 'E_STORE'];

/** The layers of all lenders; of two that have the same layer, the first lends it. */
export function lendLayers(
  store: Store,
  lenders: readonly Lender[],
  { onFailure = () => {}, onProgress = noProgress }: LendingOptions = {},
): LentLayers {
  const coming = new Map<Digest, Promise<void>>();

  const lenderOf = (diffId: Digest) => lenders.find(({ layers }) => layers.has(diffId));

  async function telling<T>(lender: Lender, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BldError && OWN_FAULTS.includes(error.code))) onFailure(lender);
      throw error;
    }
  }

  async function bring(diffId: Digest): Promise<void> {
    const lender = lenderOf(diffId);
    const blob = lender?.layers.get(diffId);
    if (!lender || !blob) return;
    const id = blob.digest;
    onProgress({ kind: 'start', id, label: `Copying blob ${id}`, total: blob.size });
    const onBytes = (bytes: number) => onProgress({ kind: 'advance', id, bytes });
    await telling(lender, async () => {
      await store.blobs.ingest(blob, (offset) => lender.source.open(blob, offset), onBytes);
      if (await unpacksTo(store, blob, diffId)) return;
      throw new BldError(
        'E_INTEGRITY',
        `${lender.source.label} says that ${id} is the layer ${diffId}: it is not`,
      );
    });
    onProgress({ kind: 'end', id });
    store.layers.addBlob(diffId, blob);
    if (lender.origin !== undefined) store.blobs.addOrigin(id, lender.origin);
  }

  const has = ({ layers }: Lender, digest: Digest) =>
    [...layers.values()].some((blob) => blob.digest === digest);

  return {
    blob: (diffId) => lenderOf(diffId)?.layers.get(diffId) ?? null,
    holds: (digest) => lenders.some((lender) => has(lender, digest)),
    async open(blob, offset) {
      const lender = lenders.find((one) => has(one, blob.digest));
      if (!lender) throw new BldError('E_NOT_FOUND', `the blob ${blob.digest} is not in the store`);
      return telling(lender, () => lender.source.open(blob, offset));
    },
    origins: (digest) =>
      lenders.flatMap((lender) =>
        lender.origin !== undefined && has(lender, digest) ? [lender.origin] : [],
      ),
    async fetch(diffId) {
      if (store.layers.path(diffId) !== null || store.layers.blobs(diffId).length > 0) return;
      const started = coming.get(diffId) ?? bring(diffId);
      coming.set(diffId, started);
      await started;
    },
  };
}
