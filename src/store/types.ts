import type { Readable } from 'node:stream';
import type { Descriptor } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import type { Opener } from '../base/streams.ts';
import type { Mode } from '../native/environment.ts';
import type { CacheMounts } from './cache-mounts.ts';
import type { Containers } from './container-types.ts';
import type { FileDigests } from './file-digests.ts';
import type { Steps } from './step-types.ts';

export type { ContainerRecord, Containers } from './container-types.ts';
export type { KeptStep, StepRecord, Steps } from './step-types.ts';

/** How files of this store keep owners and overlay marks; fixed when the store is made, checked when it is opened. */
export interface StoreKind {
  readonly xattrs: 'trusted' | 'user';
  readonly owners: 'real' | 'xattr';
}

export interface StoreOptions {
  readonly root: string;
  readonly runroot: string;
  readonly mode: Mode;
  /** Which kind of store is needed, where not the one that `mode` needs in this process. */
  readonly kind?: StoreKind;
  /**
   * The process ends when the store is disposed of, and need not close the index: to be the last to do so is to sync the
   * log of its changes into it, which waits for the disk. The next one reads that log.
   */
  readonly last?: boolean;
  /** The id of this start of the machine, where not the kernel's: what another start did not sync is dropped. */
  readonly boot?: string;
}

/** One layer of an image: what it unpacks to, and (once it was compressed or pulled) its bytes on the wire. */
export interface LayerRef {
  readonly diffId: Digest;
  readonly blob?: Descriptor;
  /** Bytes of the uncompressed tar, when known. */
  readonly size?: number;
}

export interface ImageRecord {
  /** The config's digest. */
  readonly id: Digest;
  /** The manifest as pulled, or as made when somebody first needed its digest; its blob is in the store. */
  readonly manifest?: Descriptor;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Bottom first. */
  readonly layers: readonly LayerRef[];
  /** Canonical names with tag or digest: `docker.io/library/alpine:latest`. */
  readonly names: readonly string[];
  /** Names it had once, newest first (`images --history`). */
  readonly pastNames: readonly string[];
  /** A build's by-product (`images -a`). */
  readonly intermediate: boolean;
  /** Free data of upper rooms (JSON): format, base name and digest, source repositories. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface NewImage {
  readonly config: Buffer;
  readonly manifest?: { readonly mediaType: string; readonly bytes: Buffer };
  readonly layers: readonly LayerRef[];
  readonly names?: readonly string[];
  readonly created: number;
  readonly intermediate?: boolean;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A manifest list (`bld manifest`, a build for several platforms), or without a name a manifest that one of them names. */
export interface IndexRecord {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly names: readonly string[];
}

export interface Blobs {
  /**
   * True when it is there now. It may be collected a moment later, unless an image, index or live process relies on it:
   * who means to rely on it calls `ingest` or `put`, which return at once and keep it for as long as the process lives.
   */
  has(digest: Digest): boolean;
  size(digest: Digest): number | null;
  /** The file's path; its bytes never change. */
  path(digest: Digest): string;
  /** Opens it unverified (it was verified when it came); E_NOT_FOUND. */
  open(digest: Digest, start?: number): Readable;
  /** A small document, re-verified against its digest (E_INTEGRITY), at most 8 MiB. */
  read(digest: Digest): Buffer;
  put(bytes: Buffer, mediaType?: string): Promise<Descriptor>;
  /**
   * Takes a stream in: staged, hashed while written, verified against `expected` before it becomes visible by rename.
   * Resumes: when an earlier try of the same digest left a partial file, `open(offset)` is asked for the rest.
   * Two processes that ingest the same digest at once: the second waits for the first and reuses it.
   */
  ingest(
    expected: Descriptor,
    open: (offset: number) => Promise<Readable>,
    onBytes?: (bytes: number) => void,
  ): Promise<void>;
  /** A stream whose digest is not known before: staged, named by what it turns out to be. */
  ingestUnknown(open: Opener): Promise<{ digest: Digest; size: number }>;
  /** A staged file to write to by descriptor (for native code); `publish` trusts the digest, and closes `fd`; so does `discard`. */
  stage(): {
    readonly path: string;
    readonly fd: number;
    publish(digest: Digest, size: number): void;
    discard(): void;
  };
  /** Where a blob was pulled from or pushed to, newest first: `host/repository`: for cross-repository mounts. */
  origins(digest: Digest): readonly string[];
  addOrigin(digest: Digest, repository: string): void;
}

export interface LayerStore {
  /** The unpacked tree, ready to be an overlay lower directory; null when only the blob (or nothing) is there. See `ensure`. */
  path(diffId: Digest): string | null;
  /** Bytes of the layer's tar; null when it was never unpacked or made here. */
  size(diffId: Digest): number | null;
  /** A new empty directory on the same file system to unpack into: holds `diff/`. */
  stage(): { readonly directory: string; discard(): void };
  /** Makes a staged directory (or a container's upper, already renamed to `<staged>/diff`) the layer, by rename; a twin that came first wins. */
  publish(diffId: Digest, directory: string, size: number): string;
  /**
   * Runs `make` unless the layer is there; other processes that want the same layer wait for it (with a message), and
   * take over if it dies. The layer stays as long as this process lives.
   */
  ensure(diffId: Digest, make: (stagedDirectory: string) => Promise<{ size: number }>): Promise<string>;
  /** Where this diffID's compressed bytes are, per media type: reused so that nothing is compressed twice. */
  blobs(diffId: Digest): readonly Descriptor[];
  addBlob(diffId: Digest, blob: Descriptor): void;
  /** Notes that the blob, whose bytes never change, was seen to unpack to the layer. */
  prove(diffId: Digest, digest: Digest): void;
  isProved(diffId: Digest, digest: Digest): boolean;
}

export interface Images {
  /** By canonical name, id, id prefix (≥ 3 hex) or manifest digest; null when unknown; E_USAGE when a prefix is ambiguous. */
  find(reference: string): ImageRecord | null;
  get(id: Digest): ImageRecord | null;
  list(): readonly ImageRecord[];
  /** One durable transaction: the image and its names are visible after it, not before. Moves names from other images. */
  add(image: NewImage): Promise<ImageRecord>;
  /** Records the manifest that was made for the image, and its layers' blobs. */
  setManifest(
    id: Digest,
    manifest: { mediaType: string; bytes: Buffer },
    layers: readonly LayerRef[],
  ): Promise<void>;
  tag(id: Digest, names: readonly string[]): void;
  untag(names: readonly string[]): void;
  /** Removes the record and its names; E_IN_USE when a container stands on it. Bytes go with the next `collect`. */
  remove(id: Digest, force?: boolean): void;
  findIndex(nameOrDigest: string): IndexRecord | null;
  listIndexes(): readonly IndexRecord[];
  addIndex(mediaType: string, bytes: Buffer, names: readonly string[]): Promise<IndexRecord>;
  removeIndex(digest: Digest): void;
}

export interface HoldOptions {
  /** In place of the message. */
  readonly onWait?: (pid: number) => void;
  /** Ends the waiting with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The store itself takes `blob:` and `layer:` keys exclusively: who holds one and calls `ingest` or `ensure` waits for himself. */
export interface Leases {
  /**
   * Holds `key` (`container:<id>`, `layer:<diffId>`, `image:<id>`, `blob:<digest>`) until released or the process ends by
   * any means (the kernel drops its flock). Exclusive ones wait; after 2 s a message names the pid that is waited for.
   */
  hold(key: string, how: 'shared' | 'exclusive', options?: HoldOptions): Promise<Disposable>;
  tryHold(key: string, how: 'shared' | 'exclusive'): Disposable | null;
}

/** What `collect` removed; `bytes` of blobs, partial downloads, and the tars of layers. */
export interface Collected {
  readonly blobs: number;
  readonly layers: number;
  readonly bytes: number;
}

export interface CheckOptions {
  /** Removes what is damaged, and the images that cannot do without it. */
  readonly repair?: boolean;
  /** Tries to bring a blob back by `Blobs.ingest`; true when it came. Asked before an image is given up. */
  readonly refetch?: (blob: Descriptor) => Promise<boolean>;
  /** True when the unpacked tree packs to its diffID: the store knows no tars. */
  readonly verifyLayer?: (diffId: Digest, path: string) => Promise<boolean>;
}

export interface Finding {
  readonly kind:
    | 'missing blob'
    | 'damaged blob'
    | 'missing layer'
    | 'damaged layer'
    | 'incomplete image'
    | 'incomplete container';
  /** A digest, or a container's id. */
  readonly subject: string;
  readonly names?: readonly string[];
  /** What an image or container lacks. */
  readonly lost?: readonly Digest[];
  readonly repaired: boolean;
}

export interface Store extends Disposable {
  readonly root: string;
  readonly runroot: string;
  readonly kind: StoreKind;
  readonly blobs: Blobs;
  readonly layers: LayerStore;
  readonly images: Images;
  readonly containers: Containers;
  readonly leases: Leases;
  readonly steps: Steps;
  readonly cacheMounts: CacheMounts;
  readonly fileDigests: FileDigests;
  /** One short IMMEDIATE transaction; nested calls join. */
  transaction<T>(work: () => T): T;
  /** Everything written so far survives a power cut after it. Not inside a transaction. */
  barrier(): void;
  /**
   * Removes what no image, container, step or live process needs and what killed processes left. Never blocks others
   * for long. Unreferenced things younger than `grace` ms (10 minutes) stay, for a pull may be tried again; not those of
   * an image or container that was removed.
   */
  collect(options?: { readonly grace?: number }): Collected;
  /** As `collect`, when the store is disposed of and this process relies on nothing any more. */
  collectLater(): void;
  /** Hashes every blob and looks for whatever a record needs. With `repair`, what stays is whole. */
  check(options?: CheckOptions): Promise<readonly Finding[]>;
  /** A new private directory for scratch files, on the store's file system, gone with the process. */
  scratch(): string;
}
