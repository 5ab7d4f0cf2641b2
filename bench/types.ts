/** Who is measured: bld and Buildah take the same commands, Docker takes Dockerfiles. */
export type Family = 'bld' | 'buildah' | 'docker';

/** An unprivileged account of this machine. */
export interface Person {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Where bases and the images that workloads push live: `host:port/repository:tag`. */
export interface Places {
  readonly registry: string;
  /** A static busybox. */
  readonly tiny: string;
  /** One layer of about 172 MB in 9,000 files; absent unless a chosen workload reads it. */
  readonly debian: string | undefined;
  /** The directory that COPY reads: `small/` and `large`; and contexts of their own: `ignored/`, `many/`, `web/`. */
  readonly context: string;
}

/** A program that is measured, on a store of its own. */
export interface Peer {
  /** Program and version: `buildah 1.28.2`. */
  readonly name: string;
  readonly family: Family;
  /** Whom it runs as when not root. */
  readonly person?: Person;
  /** All of its data, for the disk row. */
  readonly store: string;
  /**
   * What its scripts find: `TOOL` (the program with its global flags), `PULL`, `BUD` (pull, and build from a Dockerfile
   * with the cache), `RUN` and `BUILD` (flags of a RUN; a build without the cache).
   */
  readonly env: Readonly<Record<string, string>>;
  /** Makes the store as new. */
  empty(): Promise<void>;
}

/**
 * Scripts for `sh -eu`. They find the variables of the peer, `REGISTRY`, `TINY`, `DEBIAN`, `CONTEXT`, `TAG` (different
 * in each round), `STORE`, and `OUT`, a directory of their own.
 */
export interface Job {
  /** Not timed. Starts with an empty store. */
  readonly setup?: string;
  /** Timed too, and subtracted: what is not the job's own. */
  readonly baseline?: string;
  readonly timed: string;
  /** The figure is the last line that `timed` prints. */
  readonly reports?: boolean;
}

export type Target =
  /** At most so many times the best peer, of one family or of all. */
  | { readonly kind: 'ratio'; readonly most: number; readonly against: 'buildah' | 'all' }
  /** At most so many of the unit. */
  | { readonly kind: 'figure'; readonly most: number };

/** What a workload reads besides the small base. */
export type Material = 'debian' | 'small' | 'large' | 'ignored' | 'many' | 'web';

export interface Workload {
  /** Short, for `--only`. */
  readonly name: string;
  readonly title: string;
  readonly unit: 'ms' | 'KiB';
  /** The timed script does the thing so many times: 1 when absent. */
  readonly times?: number;
  readonly uses: readonly Material[];
  readonly target?: Target;
  /** Run by an unprivileged user. */
  readonly rootless?: boolean;
  /** In the first round alone. */
  readonly once?: boolean;
  readonly jobs: Readonly<Partial<Record<Family, Job>>>;
}

/** What was seen of one workload, by the names of peers. */
export interface Row {
  readonly workload: Workload;
  readonly figures: Map<string, number[]>;
  /** The largest process at its peak, in KiB. */
  readonly peaks: Map<string, number>;
  readonly failures: Map<string, string>;
}
