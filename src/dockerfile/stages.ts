import { at, Complaint, DockerfileError } from './errors.ts';
import { evaluate, openScope, type Scope } from './evaluate.ts';
import { expand } from './expand.ts';
import type { Instruction } from './instruction.ts';
import { mountSource } from './mount.ts';
import type { Stage, StageBase } from './plan.ts';
import { type BuildInputs, mountsOf } from './variables.ts';

export interface StageGraph {
  readonly stages: readonly Stage[];
  readonly inputs: BuildInputs;
  /** What the ARGs and ENVs of a finished stage say on their own, by index; filled in by `dependenciesOf`. */
  readonly scopes: Map<number, StaticScope>;
  resolve(name: string, stage: Stage): StageBase | undefined;
}

/** What is known before the build: without the base image's environment, and up to the first ARG or ENV that fails. */
export interface StaticScope {
  readonly scope: Scope;
  readonly isFinal: boolean;
}

/**
 * Indexes of the stages that a stage needs: by FROM, `--from`, mounts, `--after`, and ONBUILD of a stage below it.
 * To be called for the stages in their order.
 */
export function dependenciesOf(stage: Stage, graph: StageGraph): number[] {
  const needs = new Set<number>();
  if (stage.base.kind === 'stage') needs.add(stage.base.index);
  const below = stage.base.kind === 'stage' ? graph.stages[stage.base.index] : undefined;
  const triggers = below ? triggersOf(below) : [];
  let known = (below && graph.scopes.get(below.index)) ?? {
    scope: openScope(graph.inputs, []),
    isFinal: false,
  };
  for (const instruction of [...triggers, ...stage.instructions]) {
    for (const name of namesOf(instruction, known.scope)) {
      const source = at(instruction.node, () => sourceOf(name, stage, graph));
      if (source.kind === 'stage') needs.add(source.index);
    }
    known = advanced(known, instruction);
  }
  graph.scopes.set(stage.index, known);
  for (const name of stage.from.after) {
    const source = at(stage.from.node, () => sourceOf(name, stage, graph));
    if (source.kind === 'stage') needs.add(source.index);
  }
  return [...needs];
}

/** The stages that `target` needs, each once and after its needs. A circle is a DockerfileError at its FROM. */
export function buildOrder(stages: readonly Stage[], target: Stage): Stage[] {
  const order: Stage[] = [];
  const state = new Map<number, 'open' | 'done'>();
  // A stack of its own: a file may chain more stages than calls can nest.
  const stack: { readonly stage: Stage; readonly left: number[] }[] = [];
  const enter = (stage: Stage) => {
    state.set(stage.index, 'open');
    stack.push({ stage, left: [...stage.needs].reverse() });
  };
  enter(target);
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const index = top.left.pop();
    const needed = index === undefined ? undefined : stages[index];
    if (!needed) {
      state.set(top.stage.index, 'done');
      order.push(top.stage);
      stack.pop();
    } else if (state.get(needed.index) === 'open') {
      const circle = stack.slice(stack.findIndex(({ stage }) => stage === needed)).map(({ stage }) => stage);
      throw new DockerfileError(
        needed.from.node,
        `circular dependency detected on stage: ${nameOf(needed)}`,
        { hint: `each of these needs the next: ${[...circle, needed].map(nameOf).join(' → ')}` },
      );
    } else if (!state.has(needed.index)) {
      enter(needed);
    }
  }
  return order;
}

function nameOf(stage: Stage): string {
  return stage.name ?? String(stage.index);
}

/** What a stage leaves for the stages that start from it. */
export function triggersOf(stage: Stage): Instruction[] {
  return stage.instructions.flatMap((one) => (one.kind === 'onbuild' ? [one.trigger] : []));
}

function sourceOf(name: string, stage: Stage, graph: StageGraph): StageBase {
  const source = graph.resolve(name, stage);
  if (source) return source;
  throw new Complaint(`invalid stage index ${name}`, {
    near: name,
    hint: `the file has the stages 0 to ${graph.stages.length - 1}`,
  });
}

/** What an instruction reads from besides the context; variables expanded as far as they are known before a build. */
function namesOf(instruction: Instruction, scope: Scope): string[] {
  const names =
    instruction.kind === 'copy'
      ? [instruction.from]
      : instruction.kind === 'run'
        ? mountsOf(instruction.mounts, scope.inputs).map((mount) => mountSource(mount))
        : [];
  return names
    .filter((name) => name !== undefined)
    .map((name) => {
      const lookup = (variable: string) => scope.variables.get(variable);
      return at(instruction.node, () => expand(name, lookup, scope.inputs).text);
    })
    .filter((name) => name !== '');
}

function advanced(known: StaticScope, instruction: Instruction): StaticScope {
  if (known.isFinal || (instruction.kind !== 'arg' && instruction.kind !== 'env')) return known;
  try {
    return { scope: evaluate(instruction, known.scope).scope, isFinal: false };
  } catch (error) {
    // Mandatory variables may come with the base image, and the stage may not be needed: the build will tell.
    if (error instanceof DockerfileError) return { ...known, isFinal: true };
    throw error;
  }
}
