import { posix } from 'node:path';
import { didYouMean } from '../base/suggest.ts';
import { evaluate, openScope, type Scope, type Step } from './evaluate.ts';
import type { Instruction } from './instruction.ts';
import type { BaseImage, LintOptions, Warn } from './lint.ts';
import type { Plan, Stage } from './plan.ts';
import { formatPlatform } from './platform.ts';
import { splitPort } from './ports.ts';
import { triggersOf } from './stages.ts';

const ONCE = ['cmd', 'entrypoint', 'healthcheck'];
const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const PUBLIC = /(?:_|^)public(?:_|$)/i;
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i;

/** What a stage leaves for the rules on those that start from it. */
export interface StageKnowledge {
  readonly scope: Scope;
  /** The base image's environment is known, so that an unset variable is really unset. */
  readonly isComplete: boolean;
  readonly hasShell: boolean;
  readonly hasWorkdir: boolean;
}

export interface StageLint {
  readonly plan: Plan;
  readonly options: LintOptions;
  /** By index: the stages before. */
  readonly known: readonly StageKnowledge[];
  readonly warn: Warn;
  readonly attempt: <T>(work: () => T) => T | undefined;
}

/** Rules on the instructions of a stage, variables expanded. Stops at the first instruction that is wrong. */
export function lintStage(stage: Stage, lint: StageLint): StageKnowledge {
  lintRepeated(stage.instructions, lint.warn);
  const below = stage.base.kind === 'stage' ? lint.plan.stages[stage.base.index] : undefined;
  let known = opened(stage, lint);
  for (const instruction of below ? triggersOf(below) : []) {
    known = { ...known, scope: lint.attempt(() => evaluate(instruction, known.scope))?.scope ?? known.scope };
  }
  for (const instruction of stage.instructions) {
    const before = known;
    const evaluation = lint.attempt(() => evaluate(instruction, before.scope));
    if (!evaluation) break;
    if (before.isComplete)
      lintUnset(instruction, { unset: evaluation.unset, scope: before.scope, warn: lint.warn });
    lintLegacy(instruction, lint.warn);
    lintStep(evaluation.step, before, lint);
    known = {
      isComplete: before.isComplete,
      scope: evaluation.scope,
      hasShell: before.hasShell || instruction.kind === 'shell',
      hasWorkdir: before.hasWorkdir || instruction.kind === 'workdir',
    };
  }
  return known;
}

function opened(stage: Stage, { plan, options, known, warn }: StageLint): StageKnowledge {
  const { base } = stage;
  const parent = base.kind === 'stage' ? known[base.index] : undefined;
  if (parent) return parent;
  const image = base.kind === 'image' ? options.baseImage?.(base.reference, stage.platform) : undefined;
  if (base.kind === 'image' && image) lintBasePlatform(stage, base.reference, { image, warn });
  const environment = base.kind === 'scratch' ? [DEFAULT_PATH] : (image?.environment ?? []);
  return {
    scope: openScope(plan.inputs, environment),
    isComplete: base.kind === 'scratch' || image !== undefined,
    hasShell: image?.hasShell ?? false,
    hasWorkdir: false,
  };
}

function lintBasePlatform(
  stage: Stage,
  reference: string,
  { image, warn }: { readonly image: BaseImage; readonly warn: Warn },
): void {
  const [actual, expected] = [formatPlatform(image.platform), formatPlatform(stage.platform)];
  if (image.platform.os === stage.platform.os && image.platform.architecture === stage.platform.architecture)
    return;
  const message = `Base image ${reference} was pulled with platform "${actual}", expected "${expected}" for current build`;
  warn('InvalidBaseImagePlatform', message, stage.from.node, stage.from.image);
}

function lintRepeated(instructions: readonly Instruction[], warn: Warn): void {
  for (const kind of ONCE) {
    const same = instructions.filter((instruction) => instruction.kind === kind);
    for (const { node } of same.slice(0, -1)) {
      const message = `Multiple ${kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`;
      warn('MultipleInstructionsDisallowed', message, node, node.keyword);
    }
  }
}

interface Unset {
  readonly unset: readonly string[];
  readonly scope: Scope;
  readonly warn: Warn;
}

function lintUnset(instruction: Instruction, { unset, scope, warn }: Unset): void {
  for (const name of unset) {
    const guess = didYouMean(name, [...scope.variables.keys()]).replace('mean ', 'mean $');
    warn('UndefinedVar', `Usage of undefined variable '$${name}'${guess}`, instruction.node, name);
  }
}

function lintStep(step: Step, before: StageKnowledge, { options, warn }: StageLint): void {
  const { node } = step;
  switch (step.kind) {
    case 'arg':
      lintSecrets('ARG', step, warn);
      break;
    case 'env':
      lintSecrets('ENV', step, warn);
      break;
    case 'cmd':
    case 'entrypoint':
      if (step.command.form === 'shell' && !before.hasShell) {
        const message = `JSON arguments recommended for ${step.kind.toUpperCase()} to prevent unintended behavior related to OS signals`;
        warn('JSONArgsRecommended', message, node, node.keyword);
      }
      break;
    case 'workdir':
      if (!before.hasWorkdir && !step.word.startsWith('/')) {
        const message = `Relative workdir ${JSON.stringify(step.word)} can have unexpected results if the base image changes`;
        warn('WorkdirRelativePath', message, node, step.word);
      }
      break;
    case 'expose':
      for (const port of step.written) lintPort(port, step, warn);
      break;
    case 'copy':
    case 'add':
      if (step.from === undefined) lintSources(step, options, warn);
      break;
  }
}

function lintLegacy(instruction: Instruction, warn: Warn): void {
  if ((instruction.kind !== 'env' && instruction.kind !== 'label') || !instruction.isLegacy) return;
  const keyword = instruction.kind.toUpperCase();
  const message = `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`;
  warn('LegacyKeyValueFormat', message, instruction.node, instruction.node.keyword);
}

function lintSecrets(
  keyword: 'ARG' | 'ENV',
  step: Extract<Step, { kind: 'arg' | 'env' | 'label' }>,
  warn: Warn,
): void {
  const names = (step.kind === 'arg' ? step.args : step.pairs).map(({ name }) => name);
  for (const name of names) {
    if (!SECRET.test(name) || PUBLIC.test(name)) continue;
    const message = `Do not use ARG or ENV instructions for sensitive data (${keyword} ${JSON.stringify(name)})`;
    warn('SecretsUsedInArgOrEnv', message, step.node, name);
  }
}

function lintPort(port: string, { node }: Step, warn: Warn): void {
  const { protocol, hasHost } = splitPort(port);
  if (hasHost) {
    const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
    warn('ExposeInvalidFormat', message, node, port);
  }
  if (protocol !== protocol.toLowerCase()) {
    warn(
      'ExposeProtoCasing',
      `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
      node,
      port,
    );
  }
}

function lintSources(
  step: Extract<Step, { kind: 'copy' | 'add' }>,
  { ignore }: LintOptions,
  warn: Warn,
): void {
  for (const source of ignore ? step.sources : []) {
    if (REMOTE.test(source)) continue;
    const path = posix.join('/', source).replace(/^\/|\/$/g, '');
    if (path === '' || !ignore?.excluded(path)) continue;
    const verb = step.kind === 'copy' ? 'Copy' : 'Add';
    const message = `Attempting to ${verb} file ${JSON.stringify(path)} that is excluded by .dockerignore`;
    warn('CopyIgnoredFile', message, step.node, source);
  }
}
