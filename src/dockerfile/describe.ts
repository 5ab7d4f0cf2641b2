import { evaluate, openScope, type Scope } from './evaluate.ts';
import { expand } from './expand.ts';
import type { FromInstruction } from './instruction.ts';
import type { Node } from './parse.ts';
import type { Plan, Stage } from './plan.ts';

/** A stage that can be built by name, as `--call=targets` tells it. */
export interface Target {
  /** Absent for a last stage without a name. */
  readonly name?: string;
  /** What the comment above says about it. */
  readonly description?: string;
  readonly isDefault: boolean;
  readonly base: string;
  readonly node: Node;
}

/** A thing that a build of the target may be given. */
export interface Parameter {
  readonly name: string;
  readonly description?: string;
  readonly value?: string;
  readonly isRequired?: boolean;
  readonly node: Node;
}

/** What `--call=outline` tells of a target. */
export interface TargetOutline {
  readonly name?: string;
  readonly description?: string;
  readonly args: readonly Parameter[];
  readonly secrets: readonly Parameter[];
  readonly agents: readonly Parameter[];
}

/** Stages that can be asked for: those with names, and the last. */
export function targetsOf({ stages }: Plan): Target[] {
  const last = stages.length - 1;
  return stages.flatMap(({ index, name, from }) =>
    name === undefined && index !== last
      ? []
      : [{ ...named(from, name), isDefault: index === last, base: from.image, node: from.node }],
  );
}

function named(from: FromInstruction, name: string | undefined) {
  const description = name === undefined ? undefined : descriptionOf(from.node, from.name ?? name);
  return { ...(name !== undefined && { name }), ...(description !== undefined && { description }) };
}

/** The rest of a comment right above that begins with the name. */
function descriptionOf({ comments }: Node, name: string): string | undefined {
  return comments.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
}

/** The ARGs, secrets and agents that a build of the plan's target goes by, each once. */
export function targetOutline(plan: Plan): TargetOutline {
  const args = new Map<string, Parameter>();
  const secrets = new Map<string, Parameter>();
  const agents = new Map<string, Parameter>();
  for (const stage of plan.order) addGlobals(plan, stage, args);
  const scopes = new Map<number, Scope>();
  for (const stage of plan.order) {
    const below = stage.base.kind === 'stage' ? scopes.get(stage.base.index) : undefined;
    let scope = below ?? openScope(plan.inputs, []);
    for (const instruction of stage.instructions) {
      const { step, scope: next } = evaluate(instruction, scope);
      scope = next;
      if (step.kind === 'arg') {
        for (const { name } of step.args) add(args, argument(step.node, name, scope.args.get(name)));
      }
      for (const mount of step.kind === 'run' ? step.mounts : []) {
        if (mount.type !== 'secret' && mount.type !== 'ssh') continue;
        const one = { name: mount.id, node: step.node, ...(mount.required && { isRequired: true }) };
        add(mount.type === 'secret' ? secrets : agents, one);
      }
    }
    scopes.set(stage.index, scope);
  }
  const { from, name } = plan.target;
  const all = { args: [...args.values()], secrets: [...secrets.values()], agents: [...agents.values()] };
  return { ...named(from, name), ...all };
}

function add(all: Map<string, Parameter>, one: Parameter): void {
  const before = all.get(one.name);
  if (!before) all.set(one.name, one);
  else if (one.isRequired) all.set(one.name, { ...before, isRequired: true });
}

function argument(node: Node, name: string, value: string | undefined): Parameter {
  const description = descriptionOf(node, name);
  return {
    name,
    node,
    ...(description !== undefined && { description }),
    ...(value !== undefined && { value }),
  };
}

/** Global ARGs count where a FROM uses them. */
function addGlobals({ globalArgs, inputs }: Plan, { from }: Stage, args: Map<string, Parameter>): void {
  const used = new Set<string>();
  const look = (name: string) => {
    used.add(name);
    return inputs.globals.get(name);
  };
  for (const text of [from.image, from.platform ?? '']) expand(text, look, { escape: from.node.escape });
  for (const { node, args: declared } of globalArgs) {
    for (const { name } of declared)
      if (used.has(name)) add(args, argument(node, name, inputs.globals.get(name)));
  }
}
