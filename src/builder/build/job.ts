import type { ConfigRecord, ImageState } from '../../dockerfile/config.ts';
import type { Scope } from '../../dockerfile/evaluate.ts';
import type { IgnoreMatcher } from '../../dockerfile/ignore.ts';
import type { Instruction } from '../../dockerfile/instruction.ts';
import type { Plan, Stage } from '../../dockerfile/plan.ts';
import type { StepRecord } from '../../store/types.ts';
import type { Container } from '../container.ts';
import type { Engine } from '../engine.ts';
import type { NamedContext } from './sources.ts';
import type { BuildOptions, StageLabel } from './types.ts';

/** The files that COPY takes, and what its ignore file leaves of them. */
export interface MainContext {
  readonly directory: string;
  readonly ignore: IgnoreMatcher | undefined;
}

/** One build of one platform: what its stages share. */
export interface Job {
  readonly engine: Engine;
  readonly plan: Plan;
  readonly options: BuildOptions;
  readonly context: MainContext;
  /** The stage's result, built when it is not yet. */
  stage(index: number): Promise<BuiltStage>;
  named(name: string): NamedContext;
  label(stage: Stage): StageLabel;
  /** The stage asks for images of a platform that was named, by a flag or its FROM. */
  isForeign(stage: Stage): boolean;
  /** Working containers, to be removed at the end. */
  readonly containers: Container[];
  /** What is known of each stage's steps, in their order: by the stage's number. */
  readonly done: Map<number, StepRecord[]>;
}

/** What a stage leaves for those that stand on it. All that its container changed is frozen. */
export interface BuiltStage {
  readonly container: Container;
  readonly scope: Scope;
  readonly image: ImageState<ConfigRecord>;
  readonly triggers: readonly Instruction[];
}
