import type { Digest } from '../base/digest.ts';

/** A step that was done once, and what came of it. */
export interface StepRecord {
  readonly key: Digest;
  /** The layer that the step adds; null when it changed no file. */
  readonly diffId: Digest | null;
  /** Whatever the builder wants back: an exit code, a printed digest, its history entry. */
  readonly result: unknown;
  /** The inputs that made the key, name → value, so that a miss can name the first that differs. */
  readonly inputs: readonly (readonly [name: string, value: string])[];
  /** Groups records of "the same step": what a miss is compared with. */
  readonly site: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/** A record of the store. */
export interface KeptStep extends StepRecord {
  /** When it was last done or replayed, milliseconds since 1970. */
  readonly used: number;
}

export interface Steps {
  /** The record whose layer is still there, and stays as long as this process lives. */
  get(key: Digest): StepRecord | null;
  /** Keeps the record; `created` is now when absent (records from elsewhere bring their own). */
  put(step: Omit<StepRecord, 'created'> & { readonly created?: number }): void;
  /** Notes that the step was replayed. */
  touch(key: Digest): void;
  /** The newest record of the site: what a miss is explained by. */
  latest(site: string): StepRecord | null;
  list(): readonly KeptStep[];
  /** Forgets the records; layers that nothing else needs go with the next `collect`. */
  remove(keys: readonly Digest[]): void;
}
