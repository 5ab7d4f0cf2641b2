import type { Digest } from '../base/digest.ts';

export interface ContainerRecord {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly imageId: Digest | null;
  readonly imageName: string;
  /** diffIDs, bottom first: the image's, then the steps frozen so far. */
  readonly layers: readonly Digest[];
  /** The builder's own record (JSON). */
  readonly state: unknown;
}

export interface Containers {
  /** `base` is tried as it is, or with -1, -2, … when `unique`; E_EXISTS otherwise (Buildah's text). Makes the directories. */
  create(
    container: Omit<ContainerRecord, 'id' | 'created' | 'name'>,
    options: {
      readonly base: string;
      readonly unique: boolean;
      /** The container goes with its process, however that ends, unless it is kept. */
      readonly transient?: boolean | undefined;
    },
  ): ContainerRecord;
  /** True for one that goes with its process, which lives. */
  isTransient(id: string): boolean;
  /** A transient container outlives its process after all. */
  keep(id: string): void;
  /** By name, id or id prefix; null when unknown. */
  find(reference: string): ContainerRecord | null;
  list(): readonly ContainerRecord[];
  update(
    id: string,
    change: Partial<Pick<ContainerRecord, 'name' | 'layers' | 'state' | 'imageId' | 'imageName'>>,
  ): void;
  /** Unmounts nothing: the builder did. Files go at once, or with the next `collect`. */
  remove(id: string): void;
  directories(id: string): {
    readonly upper: string;
    readonly work: string;
    readonly directory: string;
    readonly mountPoint: string;
  };
  /**
   * Makes the container's changes the layer `diffId`, uppermost of its layers, by moving its upper directory; it goes on
   * with an empty one, and with what `change` makes of its state, however that was changed meanwhile. All or nothing.
   * Nobody may have the upper directory mounted.
   */
  freeze(
    id: string,
    frozen: {
      readonly diffId: Digest;
      readonly size: number;
      readonly change: (state: unknown) => unknown;
    },
  ): void;
  /**
   * Swaps the upper directory for an empty one of the same mode and owner: the old becomes `<directory>/diff`, to be
   * published as a layer. `putBack` undoes it; so does the death of the process before the layer was published.
   */
  takeUpper(id: string): { readonly directory: string; putBack(): void };
}
