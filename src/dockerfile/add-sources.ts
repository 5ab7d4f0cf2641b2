import { Complaint, DockerfileError } from './errors.ts';
import { evaluate, openScope, type Scope } from './evaluate.ts';
import { expand } from './expand.ts';
import type { Instruction } from './instruction.ts';
import type { Plan } from './plan.ts';

/** The sources of all ADDs of the file, expanded as far as its own ARGs and ENVs go: base images are not known yet. */
export function addSources({ stages, inputs }: Pick<Plan, 'stages' | 'inputs'>): string[] {
  const found: string[] = [];
  const scopes = new Map<number, Scope>();
  for (const { index, base, instructions } of stages) {
    let scope = (base.kind === 'stage' && scopes.get(base.index)) || openScope(inputs, []);
    for (const instruction of instructions) {
      const inner = instruction.kind === 'onbuild' ? instruction.trigger : instruction;
      if (inner.kind === 'add') found.push(...inner.sources.map((text) => expanded(text, scope)));
      scope = advanced(instruction, scope);
    }
    scopes.set(index, scope);
  }
  return found;
}

function expanded(text: string, { variables, inputs }: Scope): string {
  return tried(text, () => expand(text, (name) => variables.get(name), inputs).text);
}

function advanced(instruction: Instruction, scope: Scope): Scope {
  if (instruction.kind !== 'arg' && instruction.kind !== 'env') return scope;
  return tried(scope, () => evaluate(instruction, scope).scope);
}

/** What is wrong is told when the build comes to it. */
function tried<T>(fallback: T, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Complaint || error instanceof DockerfileError) return fallback;
    throw error;
  }
}
