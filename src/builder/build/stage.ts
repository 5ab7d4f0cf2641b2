import type { Digest } from '../../base/digest.ts';
import { applyToConfig, type ConfigRecord, type ImageState, openState } from '../../dockerfile/config.ts';
import { evaluate, openScope, type Scope, type Step } from '../../dockerfile/evaluate.ts';
import { type HistoryText, historyOf } from '../../dockerfile/history.ts';
import type { Instruction } from '../../dockerfile/instruction.ts';
import { parseTriggers } from '../../dockerfile/interpret.ts';
import type { Stage } from '../../dockerfile/plan.ts';
import { triggersOf } from '../../dockerfile/stages.ts';
import { appendHistory, changeConfig } from '../../images/mutate.ts';
import type { ContainerConfig, History, ImageConfig } from '../../images/types.ts';
import { type Container, changeState, exclusively, heldFor, read } from '../container.ts';
import { copy } from '../copy.ts';
import { freeze } from '../freeze.ts';
import { fork, from } from '../from.ts';
import { hostOrigin } from '../origin.ts';
import { type ContainerState, containerConfig } from '../state.ts';
import type { StepWords } from '../step.ts';
import { copyStep } from './copy-step.ts';
import { atInstruction } from './failure.ts';
import type { BuiltStage, Job } from './job.ts';
import { orMeantStage } from './meant-stage.ts';
import { runStep } from './run-step.ts';
import { contextIgnore } from './sources.ts';
import { openTeller, type Teller } from './tell.ts';
import { workdirStep } from './workdir-step.ts';

/** Of every history entry that a Dockerfile's steps make. */
export const COMMENT = 'buildkit.dockerfile.v0';

/** What an image from scratch has set, as BuildKit does it. */
const SCRATCH_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** How far a stage has come. */
interface Progress {
  readonly container: Container;
  readonly scope: Scope;
  readonly image: ImageState<ConfigRecord>;
}

/** What a step needs to know of where it stands. */
export interface StepPlace {
  readonly job: Job;
  readonly stage: Stage;
  readonly container: Container;
  readonly scope: Scope;
  /** Before the step. */
  readonly config: ConfigRecord;
  readonly words: StepWords;
  readonly teller: Teller;
}

/** Builds one stage in a working container of its own: its base, then one instruction after the other. */
export async function buildStage(shared: Job, stage: Stage): Promise<BuiltStage> {
  const teller = openTeller(shared, stage);
  const job: Job = { ...shared, engine: teller.engine };
  const opened = await teller.step(stage.from.node, () =>
    atInstruction(stage.from.node, () => openStage(job, stage)),
  );
  const instructions = [...opened.triggers, ...stage.instructions];
  teller.opened(opened.container, instructions.length + 1);
  let progress: Progress = await labelled(job, stage, opened);
  try {
    for (const instruction of instructions) {
      progress = await teller.step(instruction.node, () =>
        perform(job, { stage, progress, instruction, teller }),
      );
    }
    await sealStage(progress.container);
    const saved = await savedAs(job, stage, opened);
    return { ...progress, triggers: triggersOf(stage), saved };
  } catch (error) {
    job.failed(opened.container, teller.now().stage, error);
    throw error;
  }
}

interface OpenedStage extends Progress {
  /** What the base asks to be done first. */
  readonly triggers: readonly Instruction[];
  /** The image that it stands on. */
  readonly below: Digest | null;
}

function hasSteps(stage: Stage, { triggers }: OpenedStage): boolean {
  return triggers.length + stage.instructions.length > 0;
}

/** With the labels of its stage, which come before those of the file. A stage without steps is the image below. */
async function labelled(job: Job, stage: Stage, opened: OpenedStage): Promise<Progress> {
  if (!job.options.stageLabels || !hasSteps(stage, opened)) return opened;
  const { stageLabels } = await import('./saved-stages.ts');
  const { config, author } = opened.image;
  const Labels = { ...config.Labels, ...(await stageLabels(job, stage)) };
  const image = openState({ ...config, Labels }, author);
  await record(opened.container, image, undefined);
  return { ...opened, image };
}

/** The image that the stage is in the end; the target's own is made later. */
async function savedAs(job: Job, stage: Stage, opened: OpenedStage): Promise<Digest | null> {
  const { options, plan } = job;
  if (!options.saveStages || stage === plan.target || !hasSteps(stage, opened)) return opened.below;
  const { saveStage } = await import('./saved-stages.ts');
  return saveStage(job, stage, opened.container);
}

async function openStage(job: Job, stage: Stage): Promise<OpenedStage> {
  const { base } = stage;
  if (base.kind === 'stage') {
    const below = await job.stage(base.index);
    const { id } = fork(below.container, `${stage.name ?? 'stage'}-build`);
    const container = await heldFor({ id, engine: job.engine });
    job.containers.push(container);
    const image = openState(withoutLabels(job, below.image.config), below.image.author);
    await record(container, image, undefined);
    return { container, scope: below.scope, image, triggers: below.triggers, below: below.saved };
  }
  const name =
    base.kind === 'image'
      ? base.reference
      : base.kind === 'scratch'
        ? 'scratch'
        : await contextImage(job, base.name);
  const made = await orMeantStage(job, { asker: stage, name }, () =>
    from(job.engine, name, {
      suffix: 'build',
      transient: true,
      pull: job.options.pull,
      platform: job.isForeign(stage) || name === 'scratch' ? stage.platform : undefined,
      aside: job.isForeign(stage),
      format: job.options.commit?.format,
      inheritAnnotations: job.options.inheritAnnotations ?? false,
      run: job.options.run,
    }),
  );
  const container = await heldFor(made);
  job.containers.push(container);
  if (base.kind === 'context') await copyContext(job, base.name, container);
  const { state } = read(container);
  const config: ConfigRecord =
    name === 'scratch' ? { Env: [SCRATCH_PATH], WorkingDir: '/' } : inherited(job, state);
  const triggers = parseTriggers(config.OnBuild ?? [], name);
  const image = openState(config, state.image.author);
  await record(container, image, undefined);
  const scope = openScope(job.plan.inputs, config.Env ?? []);
  return { container, scope, image, triggers, below: state.base.id };
}

/** The settings of a base image as far as they are kept. */
function inherited(job: Job, state: ContainerState): ConfigRecord {
  return withoutLabels(job, containerConfig(state) as ConfigRecord);
}

function withoutLabels({ options }: Job, config: ConfigRecord): ConfigRecord {
  if (options.inheritLabels !== false) return config;
  const { Labels: _, ...others } = config;
  return others;
}

/** What a named context in place of an image is as a base. */
async function contextImage(job: Job, name: string): Promise<string> {
  const context = await job.named(name);
  return context.kind === 'image' ? context.image : 'scratch';
}

async function copyContext(job: Job, name: string, container: Container): Promise<void> {
  const context = await job.named(name);
  if (context.kind === 'image') return;
  await copy(container, ['.'], '/', {
    origin: () => hostOrigin({ contextDir: context.path }),
    ignore: contextIgnore(context),
  });
}

interface Doing {
  readonly stage: Stage;
  readonly progress: Progress;
  readonly instruction: Instruction;
  readonly teller: Teller;
}

async function perform(job: Job, { stage, progress, instruction, teller }: Doing): Promise<Progress> {
  const { container, image } = progress;
  const { step, scope } = evaluate(instruction, progress.scope);
  const { config } = image;
  const history = historyOf(step, { config, scope });
  const words = {
    site: `${job.plan.file.source.name} stage ${stage.name ?? stage.index} step ${teller.now().number}`,
    createdBy: history?.createdBy ?? '',
    comment: COMMENT,
  };
  const place: StepPlace = { job, stage, container, scope, config, words, teller };
  await doStep(place, step);
  const next = applyToConfig(image, step);
  const entry = makesLayer(step) ? undefined : history;
  if (next !== image || entry) await record(container, next, entry);
  return { container, scope, image: next };
}

function makesLayer({ kind }: Step): boolean {
  return kind === 'run' || kind === 'copy' || kind === 'add' || kind === 'workdir';
}

async function doStep(place: StepPlace, step: Step): Promise<void> {
  switch (step.kind) {
    case 'run':
      return runStep(place, step);
    case 'copy':
    case 'add':
      return atInstruction(step.node, () => copyStep(place, step));
    case 'workdir':
      return atInstruction(step.node, () => workdirStep(place, step.word));
    default:
  }
}

/** The settings after a step, and its history entry: dated at the end, like the layers around it. */
async function record(
  container: Container,
  { config, author }: ImageState<ConfigRecord>,
  history: HistoryText | undefined,
): Promise<void> {
  await changeState(container, (state) => {
    const settings: ImageConfig = { ...state.image, config: config as ContainerConfig };
    const image = author === undefined ? settings : changeConfig(settings, { author });
    const entry: History = { created_by: history?.createdBy ?? '', comment: COMMENT };
    return { ...state, image: history ? appendHistory(image, entry) : image };
  });
}

/** With no layer a step, all that the stage did becomes one: its last entry that could be a layer's is that layer's. */
async function sealStage(container: Container): Promise<void> {
  await exclusively(container, async () => {
    const before = read(container).state;
    const history = before.image.history ?? [];
    if ((await freeze(container, { comment: COMMENT })) === null) return;
    const own = history.slice(before.base.history);
    const at =
      before.base.history +
      Math.max(
        0,
        own.findLastIndex(({ created }) => created !== undefined),
      );
    const { empty_layer: _, ...entry } = history[at] ?? { comment: COMMENT };
    await changeState(container, (state) => ({
      ...state,
      image: { ...state.image, history: history.with(at, entry) },
    }));
  });
}
