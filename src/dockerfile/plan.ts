import type { Platform } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { baseOf, contextOf, contextsOf, resolved } from './base-names.ts';
import { checkOptionsOf } from './check-options.ts';
import { at, Complaint } from './errors.ts';
import { expand } from './expand.ts';
import type { ArgInstruction, FromInstruction, Instruction } from './instruction.ts';
import { interpret } from './interpret.ts';
import type { ParsedFile } from './parse.ts';
import { parsePlatform } from './platform.ts';
import { buildOrder, dependenciesOf } from './stages.ts';
import {
  argValue,
  type BuildInputs,
  EPOCH,
  isSpecialBuildArg,
  OF_CONTEXT,
  platformVariables,
  type Variables,
} from './variables.ts';

export interface PlanOptions {
  /** A stage's name or index; the last stage when absent. */
  readonly target?: string;
  readonly buildArgs?: Variables;
  readonly buildPlatform: Platform;
  readonly targetPlatform: Platform;
  /** Names of `--build-context`: they stand in for stages and images of that name. */
  readonly contexts?: Iterable<string>;
  /** Names of `--build-context` whose value is a stage of this file: `target:STAGE`. */
  readonly stageContexts?: ReadonlyMap<string, string>;
  /** In place of the image of the first FROM. */
  readonly from?: string | undefined;
  /** Variables that each stage sets right after its FROM. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `--mount`s for every RUN. */
  readonly mounts?: readonly string[] | undefined;
  /** Also the stages before the target that it does not need. */
  readonly allStages?: boolean;
}

/** What a stage starts from, or a `--from` names. */
export type StageBase =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'context'; readonly name: string };

export interface Stage {
  readonly index: number;
  /** Lower case; absent when it has none. */
  readonly name?: string;
  readonly from: FromInstruction;
  readonly base: StageBase;
  readonly platform: Platform;
  /** Without the FROM; empty when a named context stands in for the stage. */
  readonly instructions: readonly Instruction[];
  /** Stages whose results it needs, its base among them. What ONBUILD of a pulled image asks for is not known here. */
  readonly needs: readonly number[];
}

export interface Plan {
  readonly file: ParsedFile;
  readonly inputs: BuildInputs;
  /** Those before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  /** All of the file, in its order. */
  readonly stages: readonly Stage[];
  readonly target: Stage;
  /** The stages that the target needs, each after what it needs itself; the target last. */
  readonly order: readonly Stage[];
  /** What a global ARG says of SOURCE_DATE_EPOCH. */
  readonly epoch?: string | undefined;
  /** `--build-arg` names that no ARG of the file declares. */
  readonly unusedBuildArgs: readonly string[];
  /** What `--from=name` means; undefined for an index without a stage. `stage` is who asks. */
  resolve(name: string, stage?: Stage): StageBase | undefined;
}

/** A file's instructions grouped by FROM. */
export interface Outline {
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly {
    readonly from: FromInstruction;
    readonly instructions: readonly Instruction[];
  }[];
}

/** Plans a build. Throws DockerfileError, or E_NOT_FOUND for a target that is not in the file. */
export function planBuild(file: ParsedFile, options: PlanOptions): Plan {
  const buildArgs = options.buildArgs ?? new Map<string, string>();
  checkOptionsOf(file, buildArgs);
  const outline = outlineOf(file);
  const contexts = contextsOf(options);
  const platforms = { build: options.buildPlatform, target: options.targetPlatform };
  const base = platformVariables(platforms, options.target || 'default', buildArgs);
  const globals = globalVariables(outline.globalArgs, { ...file.directives, buildArgs, globals: base });
  const epoch = globals.get(EPOCH);
  // the word is for the builder alone: no command sees it
  if (epoch === OF_CONTEXT) globals.delete(EPOCH);
  const { mounts } = options;
  const inputs: BuildInputs = { escape: file.directives.escape, buildArgs, globals, mounts };

  const names = outline.stages.flatMap(({ from }) =>
    from.name === undefined ? [] : [from.name.toLowerCase()],
  );
  const stages: Stage[] = [];
  const resolve = (name: string, asking?: Pick<Stage, 'index'>) =>
    resolved(name, { stages, contexts, asking });
  for (const [index, { from, instructions }] of outline.stages.entries()) {
    const given = index === 0 ? options.from : undefined;
    const image = given ?? at(from.node, () => baseName(from, inputs));
    const own = at(from.node, () => baseOf(from, image, { stages, contexts, names }));
    const { name = '' } = from;
    const replacement = at(from.node, () => contextOf(name, { stages, contexts }));
    const base = replacement ?? own;
    const inherited = base.kind === 'stage' ? stages[base.index]?.platform : undefined;
    stages.push({
      index,
      from,
      base,
      platform: at(from.node, () => platformOf(from, inputs, options)) ?? inherited ?? options.targetPlatform,
      instructions: replacement ? [] : [...givenEnv(from, options.env), ...instructions],
      needs: [],
      ...(from.name !== undefined && { name: from.name.toLowerCase() }),
    });
  }
  const graph = { stages, inputs, resolve, scopes: new Map() };
  for (const [index, stage] of stages.entries()) {
    stages[index] = { ...stage, needs: dependenciesOf(stage, graph) };
  }
  const target = targetStage(stages, options.target);
  const order = options.allStages ? allUpTo(stages, target) : buildOrder(stages, target);
  const declared = declaredNames(outline.globalArgs, order);
  return {
    file,
    inputs,
    globalArgs: outline.globalArgs,
    stages,
    target,
    order,
    epoch,
    unusedBuildArgs: [...buildArgs.keys()].filter(
      (name) => !declared.has(name) && !isSpecialBuildArg(name) && !base.has(name),
    ),
    resolve,
  };
}

/** The file's instructions, grouped; throws DockerfileError for the first wrong one, and for what stands before FROM. */
export function outlineOf(file: ParsedFile): Outline {
  const globalArgs: ArgInstruction[] = [];
  const stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  for (const node of file.nodes) {
    const instruction = interpret(node);
    const current = stages.at(-1);
    if (instruction.kind === 'from') stages.push({ from: instruction, instructions: [] });
    else if (current) current.instructions.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
    else at(node, () => refuseBeforeFrom(node.keyword));
  }
  const last = file.nodes.at(-1);
  if (stages.length === 0 && last) {
    at(last, () => {
      throw new Complaint('no build stage: the file has no FROM', {
        hint: 'start with FROM and an image, or FROM scratch',
      });
    });
  }
  return { globalArgs, stages };
}

function refuseBeforeFrom(keyword: string): never {
  throw new Complaint(`no build stage in current context: ${keyword} stands before the first FROM`, {
    near: keyword,
    hint: 'only ARG, comments and directives may come before FROM',
  });
}

/** The global ARGs' values over the platform variables. */
export function globalVariables(
  globalArgs: readonly ArgInstruction[],
  inputs: BuildInputs,
): Map<string, string> {
  const values = new Map(inputs.globals);
  for (const instruction of globalArgs) {
    for (const declaration of instruction.args) {
      const value = at(instruction.node, () =>
        argValue(declaration, inputs, (text) => expand(text, (name) => values.get(name), inputs).text),
      );
      if (value !== undefined) values.set(declaration.name, value);
    }
  }
  return values;
}

function baseName(from: FromInstruction, inputs: BuildInputs): string {
  const image = expand(from.image, (name) => inputs.globals.get(name), inputs).text;
  if (image !== '') return image;
  throw new Complaint(`base name (${from.image}) should not be blank`, {
    near: from.image,
    hint: 'only ARGs before the first FROM can be used here; give them a default or use --build-arg',
  });
}

/** An ENV that is not in the file, and stands where the FROM is; none without variables. */
function givenEnv({ node }: FromInstruction, env: PlanOptions['env'] = {}): Instruction[] {
  const isSpecial = (char: string) => char === '"' || char === '$' || char === node.escape;
  const quoted = (value: string) =>
    `"${[...value].map((char) => (isSpecial(char) ? `${node.escape}${char}` : char)).join('')}"`;
  const pairs = Object.entries(env).map(([name, value]) => ({ name, value: quoted(value) }));
  if (pairs.length === 0) return [];
  const text = pairs.map(({ name, value }) => `${name}=${value}`).join(' ');
  const own = { ...node, keyword: 'ENV', text, original: `ENV ${text}`, flags: [], heredocs: [] };
  return [{ kind: 'env', node: own, pairs, isLegacy: false }];
}

function platformOf(from: FromInstruction, inputs: BuildInputs, options: PlanOptions): Platform | undefined {
  if (from.platform === undefined) return undefined;
  const text = expand(from.platform, (name) => inputs.globals.get(name), inputs).text;
  if (text !== '') return parsePlatform(text, options.targetPlatform);
  throw new Complaint(`empty platform value from expression ${from.platform}`, { near: from.platform });
}

function targetStage(stages: readonly Stage[], wanted: string | undefined): Stage {
  const name = wanted?.toLowerCase();
  const stage = name
    ? (stages.findLast((one) => one.name === name) ?? (/^\d+$/.test(name) ? stages[Number(name)] : undefined))
    : stages.at(-1);
  if (stage) return stage;
  const names = stages.map((one) => one.name).filter((one) => one !== undefined);
  throw new BldError(
    'E_NOT_FOUND',
    `target stage ${JSON.stringify(wanted)} could not be found${didYouMean(name ?? '', names)}`,
    { hint: names.length > 0 ? `the file has: ${names.join(', ')}` : 'no stage of the file has a name' },
  );
}

/** The stages up to the target, each after what it needs; the target last. */
function allUpTo(stages: readonly Stage[], target: Stage): Stage[] {
  const order = stages.slice(0, target.index + 1).flatMap((stage) => buildOrder(stages, stage));
  return [...new Set(order)].filter((stage) => stage !== target).concat(target);
}

function declaredNames(globalArgs: readonly ArgInstruction[], stages: readonly Stage[]): Set<string> {
  const instructions = [...globalArgs, ...stages.flatMap((stage) => stage.instructions)];
  const names = new Set<string>();
  for (const instruction of instructions) {
    const inner = instruction.kind === 'onbuild' ? instruction.trigger : instruction;
    if (inner.kind === 'arg') for (const { name } of inner.args) names.add(name);
  }
  return names;
}
