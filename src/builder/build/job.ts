import type { Digest } from '../../base/digest.ts';
import type { ConfigRecord, ImageState } from '../../dockerfile/config.ts';
import type { Scope } from '../../dockerfile/evaluate.ts';
import type { IgnoreMatcher } from '../../dockerfile/ignore.ts';
import type { Instruction } from '../../dockerfile/instruction.ts';
import type { Node } from '../../dockerfile/parse.ts';
import type { Plan, Stage } from '../../dockerfile/plan.ts';
import type { StepRecord } from '../../store/types.ts';
import type { Container } from '../container.ts';
import type { Engine } from '../engine.ts';
import type { GitAccess } from '../git/access.ts';
import type { Material } from '../material.ts';
import type { Ahead } from './ahead.ts';
import type { BuildSource } from './context.ts';
import type { NamedContext } from './sources.ts';
import type { BuildOptions, StageLabel } from './types.ts';
import type { Vault } from './vault.ts';

/** The files that COPY takes, and what its ignore file leaves of them. */
export interface MainContext {
  readonly directory: string;
  /** How errors call a directory that is not the person's own. */
  readonly label?: string | undefined;
  readonly ignore: IgnoreMatcher | undefined;
}

/** One build of one platform: what its stages share. */
export interface Job {
  readonly engine: Engine;
  readonly plan: Plan;
  readonly options: BuildOptions;
  readonly vault: Vault;
  readonly context: MainContext;
  readonly source: BuildSource;
  /** RFC 3339. */
  readonly started: string;
  /** What was taken from elsewhere so far. */
  readonly materials: readonly Material[];
  /** The stage's result, built when it is not yet. */
  stage(index: number): Promise<BuiltStage>;
  /** The named context, fetched once when it has to be. */
  named(name: string): Promise<NamedContext>;
  /** By what files are fetched that the Dockerfile names. */
  readonly access: GitAccess;
  label(stage: Stage): StageLabel;
  /** The stage asks for images of a platform that was named, by a flag or its FROM. */
  isForeign(stage: Stage): boolean;
  /** Told of the layers as they are made. */
  readonly ahead?: Ahead | undefined;
  /** Working containers, to be removed at the end. */
  readonly containers: Container[];
  /** Told of a stage that failed: its container may be kept. */
  failed(container: Container, stage: StageLabel, error: unknown): void;
  /** What is known of each stage's steps, in their order: by the stage's number. */
  readonly done: Map<number, StepRecord[]>;
  /** The same for each instruction that was begun, FROM among them. */
  readonly steps: Map<number, ToldStep[]>;
}

/** An instruction, and what is known of the step that it is. */
export interface ToldStep {
  readonly node: Node;
  readonly records: StepRecord[];
}

/** A job with what it has begun. */
export interface OpenJob extends Job {
  running(): readonly Promise<BuiltStage>[];
  /** The container that is to stay after a failure. */
  kept(): Container | undefined;
}

/** What a stage leaves for those that stand on it. All that its container changed is frozen. */
export interface BuiltStage {
  readonly container: Container;
  readonly scope: Scope;
  readonly image: ImageState<ConfigRecord>;
  readonly triggers: readonly Instruction[];
  /** The image that was made of it; that of its base where it has no steps or none was to be made, null for `scratch`. */
  readonly saved: Digest | null;
}
