/** What a provenance attestation is to tell, and how. */
export interface ProvenanceOptions {
  /** `min` leaves out build arguments, labels, the Dockerfile and its steps. */
  readonly mode: 'min' | 'max';
  /** Of the SLSA predicate. */
  readonly version: 'v1' | 'v0.2';
  /** Who built: a URI that the person vouches for. */
  readonly builderId?: string | undefined;
  /** The person says that the build gives the same result again. */
  readonly reproducible?: boolean | undefined;
  /** Beside images alone, not as a file beside exported files. */
  readonly inlineOnly?: boolean | undefined;
  /** Of that file; `provenance.json` when absent. */
  readonly filename?: string | undefined;
  /** Version of bld. */
  readonly builderVersion?: string | undefined;
}

/** What something is called, and its digests: algorithm → hexadecimal digits. */
export interface Resource {
  readonly uri: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** One step that was done, or replayed. */
export interface StepFact {
  readonly id: string;
  /** Name of its stage, or number. */
  readonly stage: string;
  readonly instruction: string;
  /** Lines of the Dockerfile, from 1; absent for what a base image asked for. */
  readonly lines?: readonly [first: number, last: number] | undefined;
  /** Of the layer's tar; absent where no file changed, and in a build that is to give the same every time. */
  readonly layer?: Readonly<Record<string, string>> | undefined;
}

/** What one build of one platform was given, used and did: all that a predicate is made of. Holds no secrets. */
export interface Facts {
  /** The Dockerfile's name, and where it came from when that was not this machine. */
  readonly entryPoint: string;
  readonly source?: Resource | undefined;
  readonly dockerfile: string;
  /** By the names that frontends of BuildKit have: `build-arg:NAME`, `label:NAME`, `target`, `context:NAME`. */
  readonly args: Readonly<Record<string, string>>;
  /** The arguments are all that the build was given. */
  readonly isWhole: boolean;
  /** Ids alone. */
  readonly secrets: readonly string[];
  readonly agents: readonly string[];
  /** Directories of this machine, by what the build calls them: of these nobody knows the contents. */
  readonly locals: readonly string[];
  readonly materials: readonly Resource[];
  /** Of the machine. */
  readonly platform: string;
  /** RFC 3339. */
  readonly started: string;
  readonly finished: string;
  /** Of this one build; absent where the same build is to give the same bytes. */
  readonly invocation?: string | undefined;
  readonly steps: readonly StepFact[];
}
