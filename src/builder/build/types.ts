import type { Platform } from '../../base/descriptor.ts';
import type { Digest } from '../../base/digest.ts';
import type { Location } from '../../images/location.ts';
import type { PullPolicy } from '../../images/pull.ts';
import type { CommitOptions } from '../commit.ts';
import type { RunDefaults } from '../state.ts';
import type { CacheOptions } from './cache.ts';
import type { SecretSource } from './secrets.ts';

/** What a build tells while it goes on. */
export type BuildEvent =
  | { readonly kind: 'step'; readonly stage: StageLabel; readonly number: number; readonly text: string }
  /** What a RUN writes to its two outputs, as it comes. */
  | { readonly kind: 'output'; readonly stage: StageLabel; readonly chunk: Buffer }
  /** After each step that can make a layer. */
  | {
      readonly kind: 'layer';
      readonly stage: StageLabel;
      readonly top: Digest | null;
      readonly replayed: boolean;
    }
  | { readonly kind: 'commit'; readonly stage: StageLabel; readonly name: string | undefined };

/** Which stage of how many a build does; `steps` is the number of its steps, FROM among them. */
export interface StageLabel {
  /** 1-based, in the order of the work. */
  readonly position: number;
  readonly count: number;
  readonly steps: number;
  readonly name: string | undefined;
}

export interface BuildOptions {
  /** Names of the store that the image gets. */
  readonly names?: readonly string[] | undefined;
  /** Places outside of the store that it is written to. */
  readonly destinations?: readonly Location[] | undefined;
  readonly target?: string | undefined;
  readonly buildArgs?: ReadonlyMap<string, string> | undefined;
  /** What the image is for; the machine's own when absent. */
  readonly platform?: Platform | undefined;
  readonly pull?: PullPolicy | undefined;
  /** Name → directory, `docker-image://NAME`, `oci-layout://PATH[:NAME]`: stands in for a stage or image. */
  readonly contexts?: ReadonlyMap<string, string> | undefined;
  readonly secrets?: ReadonlyMap<string, SecretSource> | undefined;
  /** Id → socket of an agent. */
  readonly ssh?: ReadonlyMap<string, string> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How RUNs run. */
  readonly run?: RunDefaults | undefined;
  /** `security.insecure`: what RUNs may ask for beyond the usual. */
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
  readonly onEvent?: ((event: BuildEvent) => void) | undefined;
}
