import type { Platform } from '../../base/descriptor.ts';
import type { Digest } from '../../base/digest.ts';
import type { Spot } from '../../base/errors.ts';
import type { ProgressEvent } from '../../base/progress.ts';
import type { PullPolicy } from '../../images/pull.ts';
import type { CommitOptions, Committed } from '../commit.ts';
import type { ProvenanceOptions } from '../provenance/types.ts';
import type { RunDefaults } from '../state.ts';
import type { CacheOptions } from './cache.ts';
import type { Destination, FilesOutput, PushedName } from './deliver.ts';
import type { SecretSource } from './vault.ts';

/** What a build tells while it goes on. A step is known by its stage and number: stages go on at the same time. */
export type BuildEvent =
  /** A step begins; the stage's FROM is step 1. */
  | {
      readonly kind: 'step';
      readonly stage: StageLabel;
      readonly number: number;
      readonly text: string;
      readonly place: Spot;
    }
  /** What a RUN writes to its two outputs, as it comes; secrets in it are masked. */
  | {
      readonly kind: 'output';
      readonly stage: StageLabel;
      readonly number: number;
      readonly chunk: Buffer;
    }
  /** Bytes on their way for a step: images that it needs. */
  | {
      readonly kind: 'transfer';
      readonly stage: StageLabel;
      readonly number: number;
      readonly event: ProgressEvent;
    }
  /** A step ended. `top` is the uppermost layer after a step that can make one; null when there is none yet. */
  | {
      readonly kind: 'done';
      readonly stage: StageLabel;
      readonly number: number;
      readonly how: 'done' | 'cached' | 'failed' | 'cancelled';
      readonly top?: Digest | null | undefined;
      readonly error?: string | undefined;
    }
  /** A failed stage's working container stays (`keepFailed`). */
  | { readonly kind: 'kept'; readonly stage: StageLabel; readonly container: string }
  | { readonly kind: 'commit'; readonly stage: StageLabel; readonly name: string | undefined };

/** Which stage of how many a build does; `steps` is the number of its steps, FROM among them. */
export interface StageLabel {
  /** 1-based, in the order of the work. */
  readonly position: number;
  readonly count: number;
  readonly steps: number;
  readonly name: string | undefined;
  /** `linux/arm64`, where images for several are built. */
  readonly platform?: string | undefined;
}

/** What a build made; of several platforms `id` is the index's digest. `names` are those of the store. */
export interface Built extends Committed {
  /** In the order in which their platforms were asked for. */
  readonly images: readonly BuiltPlatform[];
  /** True for an index. */
  readonly isIndex: boolean;
  /** Build arguments that no ARG of the Dockerfile declares. */
  readonly unusedBuildArgs: readonly string[];
  /** SLSA predicates (v0.2) in the order of the images, when they were asked for. */
  readonly provenance: readonly object[];
}

/** The image for one platform. */
export interface BuiltPlatform {
  readonly platform: Platform;
  readonly id: Digest;
}

export interface BuildOptions {
  /** Names of the store that the image gets. */
  readonly names?: readonly string[] | undefined;
  /** Places outside of the store that it is written to. */
  readonly destinations?: readonly Destination[] | undefined;
  /** Names whose registries get it. */
  readonly pushed?: readonly PushedName[] | undefined;
  /** Places for its files alone. */
  readonly directories?: readonly FilesOutput[] | undefined;
  readonly tars?: readonly FilesOutput[] | undefined;
  readonly target?: string | undefined;
  /** `BUILDKIT_MULTI_PLATFORM=1` makes an index of one platform too. */
  readonly buildArgs?: ReadonlyMap<string, string> | undefined;
  /** What the image is for; the machine's own when absent. */
  readonly platform?: Platform | undefined;
  /** In its place: an image for each, and with more than one an index of them. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Build also the stages that the target does not need. */
  readonly allStages?: boolean | undefined;
  /** Labels of base images, and of stages that others stand on, are kept (true when absent). */
  readonly inheritLabels?: boolean | undefined;
  /** Annotations of the base image's manifest are kept. */
  readonly inheritAnnotations?: boolean | undefined;
  readonly pull?: PullPolicy | undefined;
  /**
   * Name → directory, `docker-image://NAME`, `oci-layout://PATH[:TAG][@DIGEST]`, `target:STAGE`, the address of an archive
   * or a git repository: stands in for a stage or image.
   */
  readonly contexts?: ReadonlyMap<string, string> | undefined;
  /** In place of the image of the first FROM. */
  readonly from?: string | undefined;
  /** Variables that each stage sets right after its FROM; an ENV of the file may set them anew. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `--mount`s for every RUN, as a RUN has them. */
  readonly mounts?: readonly string[] | undefined;
  /** RUNs see `/etc/hosts` of the image as it is. */
  readonly noHosts?: boolean | undefined;
  readonly secrets?: ReadonlyMap<string, SecretSource> | undefined;
  /** A secret in a layer is E_SECRET, not a warning. */
  readonly failOnSecret?: boolean | undefined;
  /** Id → socket of an agent. */
  readonly ssh?: ReadonlyMap<string, string> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How RUNs run. */
  readonly run?: RunDefaults | undefined;
  /** What RUNs may ask for beyond the usual: `security.insecure`, `network.host`, `device`, `device=PATH`. */
  readonly allow?: readonly string[] | undefined;
  /** One layer a step (true when absent), or all steps of a stage in one. */
  readonly layers?: boolean | undefined;
  /** Do all steps anew. */
  readonly noCache?: boolean | undefined;
  /** Steps of other builds and for other builds. */
  readonly cache?: CacheOptions | undefined;
  /** Stages at once. */
  readonly jobs?: number | undefined;
  /** Working containers of a build that failed stay, to be looked into. */
  readonly keepFailed?: boolean | undefined;
  readonly commit?: CommitOptions | undefined;
  /** A manifest list of the store that the images are added to, made when it is not there. */
  readonly list?: string | undefined;
  /** Annotations of the index over several platforms. */
  readonly indexAnnotations?: Readonly<Record<string, string>> | undefined;
  /** Attest how each image was made: beside it in an index, and in a file beside its files. */
  readonly provenance?: ProvenanceOptions | undefined;
  /** Attest what is in each image: by an image with a scanner of BuildKit's protocol. */
  readonly sbom?: { readonly generator: string } | undefined;
  /** Tell the provenance in the result, too; `all` with what differs from build to build. */
  readonly tellProvenance?: 'short' | 'all' | undefined;
  /** The steps alone are wanted: the image goes when it is made. */
  readonly cacheOnly?: boolean | undefined;
  /** Stages besides the target become images of the store too, without names. */
  readonly saveStages?: boolean | undefined;
  /** Images are labelled with their stage's name and base; goes with `saveStages`. */
  readonly stageLabels?: boolean | undefined;
  /** What RUNs write to volumes is thrown away. */
  readonly compatVolumes?: boolean | undefined;
  readonly onEvent?: ((event: BuildEvent) => void) | undefined;
}
