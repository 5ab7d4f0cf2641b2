import { applyToConfig, type ConfigRecord, type ImageState, openState } from '../../dockerfile/config.ts';
import { evaluate, openScope, type Scope, type Step } from '../../dockerfile/evaluate.ts';
import { type HistoryText, historyOf } from '../../dockerfile/history.ts';
import type { Instruction } from '../../dockerfile/instruction.ts';
import { parseTriggers } from '../../dockerfile/interpret.ts';
import type { Stage } from '../../dockerfile/plan.ts';
import { triggersOf } from '../../dockerfile/stages.ts';
import { appendHistory, changeConfig } from '../../images/mutate.ts';
import type { ContainerConfig, History, ImageConfig } from '../../images/types.ts';
import type { StepRecord } from '../../store/types.ts';
import { type Container, changeState, exclusively, read } from '../container.ts';
import { copy } from '../copy.ts';
import { freeze } from '../freeze.ts';
import { fork, from } from '../from.ts';
import { hostOrigin } from '../origin.ts';
import { containerConfig } from '../state.ts';
import type { StepNotice, StepWords } from '../step.ts';
import { copyStep } from './copy-step.ts';
import { atInstruction, stepText } from './failure.ts';
import type { BuiltStage, Job } from './job.ts';
import { runStep } from './run-step.ts';
import { ignoreFilesOf, readIgnoreFile } from './sources.ts';
import type { StageLabel } from './types.ts';
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
}

/** Builds one stage in a working container of its own: its base, then one instruction after the other. */
export async function buildStage(job: Job, stage: Stage): Promise<BuiltStage> {
  const opened = await atInstruction(stage.from.node, () => openStage(job, stage));
  const instructions = [...opened.triggers, ...stage.instructions];
  const label = { ...job.label(stage), steps: instructions.length + 1 };
  job.options.onEvent?.({ kind: 'step', stage: label, number: 1, text: stepText(stage.from.node) });
  let progress: Progress = opened;
  for (const [index, instruction] of instructions.entries()) {
    const number = index + 2;
    job.options.onEvent?.({ kind: 'step', stage: label, number, text: stepText(instruction.node) });
    progress = await perform(job, { stage, progress, instruction, label, number });
  }
  await sealStage(progress.container);
  return { ...progress, triggers: triggersOf(stage) };
}

interface OpenedStage extends Progress {
  /** What the base asks to be done first. */
  readonly triggers: readonly Instruction[];
}

async function openStage(job: Job, stage: Stage): Promise<OpenedStage> {
  const { base } = stage;
  if (base.kind === 'stage') {
    const below = await job.stage(base.index);
    const container = fork(below.container, `${stage.name ?? 'stage'}-build`);
    job.containers.push(container);
    const image = openState(below.image.config, below.image.author);
    await record(container, image, undefined);
    return {
      container: listening(job, stage, container),
      scope: below.scope,
      image,
      triggers: below.triggers,
    };
  }
  const name =
    base.kind === 'image'
      ? base.reference
      : base.kind === 'scratch'
        ? 'scratch'
        : contextImage(job, base.name);
  const container = await from(job.engine, name, {
    suffix: 'build',
    pull: job.options.pull,
    platform: job.isForeign(stage) || name === 'scratch' ? stage.platform : undefined,
    format: job.options.commit?.format,
    run: job.options.run,
  });
  job.containers.push(container);
  if (base.kind === 'context') await copyContext(job, base.name, container);
  const { state } = read(container);
  const config: ConfigRecord =
    name === 'scratch' ? { Env: [SCRATCH_PATH] } : (containerConfig(state) as ConfigRecord);
  const triggers = parseTriggers(config.OnBuild ?? [], name);
  const image = openState(config, state.image.author);
  await record(container, image, undefined);
  const scope = openScope(job.plan.inputs, config.Env ?? []);
  return { container: listening(job, stage, container), scope, image, triggers };
}

/** What a named context in place of an image is as a base. */
function contextImage(job: Job, name: string): string {
  const context = job.named(name);
  return context.kind === 'image' ? context.image : 'scratch';
}

async function copyContext(job: Job, name: string, container: Container): Promise<void> {
  const context = job.named(name);
  if (context.kind === 'image') return;
  await copy(container, ['.'], '/', {
    origin: () => hostOrigin({ contextDir: context.path }),
    ignore: readIgnoreFile(ignoreFilesOf(context.path)),
  });
}

/** The container with an engine that tells how the stage's steps went. */
function listening(job: Job, stage: Stage, { engine, id }: Container): Container {
  const { onEvent } = job.options;
  const done: StepRecord[] = [];
  job.done.set(stage.index, done);
  const container: Container = {
    id,
    engine: {
      ...engine,
      refresh: job.engine.refresh || isRefreshed(job, stage),
      onStep: ({ replayed, records }: StepNotice) => {
        done.push(...records);
        const top = read(container).record.layers.at(-1) ?? null;
        onEvent?.({ kind: 'layer', stage: job.label(stage), top, replayed });
      },
    },
  };
  return container;
}

/** `--no-cache-filter` names the stage. */
function isRefreshed({ options }: Job, { name, index }: Stage): boolean {
  const wanted = options.cache?.noCacheFor ?? [];
  return wanted.some((text) => text === String(index) || text.toLowerCase() === name?.toLowerCase());
}

interface Doing {
  readonly stage: Stage;
  readonly progress: Progress;
  readonly instruction: Instruction;
  readonly label: StageLabel;
  readonly number: number;
}

async function perform(job: Job, { stage, progress, instruction, number }: Doing): Promise<Progress> {
  const { container, image } = progress;
  const { step, scope } = evaluate(instruction, progress.scope);
  const { config } = image;
  const history = historyOf(step, { config, scope });
  const words = {
    site: `${job.plan.file.source.name} stage ${stage.name ?? stage.index} step ${number}`,
    createdBy: history?.createdBy ?? '',
    comment: COMMENT,
  };
  const place: StepPlace = { job, stage, container, scope, config, words };
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
    const diffId = await freeze(container, { comment: COMMENT });
    if (diffId === null) return;
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
