import { applyToConfig, type ConfigRecord, openState } from '../../../src/dockerfile/config.ts';
import { evaluate, openScope, type Scope, type Step } from '../../../src/dockerfile/evaluate.ts';
import { historyOf } from '../../../src/dockerfile/history.ts';
import { parseFile } from '../../../src/dockerfile/parse.ts';
import { type Plan, type PlanOptions, planBuild, type Stage } from '../../../src/dockerfile/plan.ts';
import { triggersOf } from '../../../src/dockerfile/stages.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
export const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Plans a text for linux/amd64. */
export function planOf(text: string, options: Partial<PlanOptions> = {}): Plan {
  return planBuild(parseFile(text, 'Dockerfile'), {
    buildPlatform: AMD64,
    targetPlatform: AMD64,
    ...options,
  });
}

export interface Built {
  readonly stage: Stage;
  readonly steps: readonly Step[];
  readonly scope: Scope;
  readonly config: ConfigRecord;
  readonly author: string | undefined;
  readonly history: readonly string[];
}

/** Carries out a plan on paper: every needed stage, with a base image that has nothing but a PATH. */
export function buildOnPaper(plan: Plan, base: ConfigRecord = { Env: [PATH], Cmd: ['sh'] }): Built[] {
  const built = new Map<number, Built>();
  for (const stage of plan.order) {
    const parent = stage.base.kind === 'stage' ? built.get(stage.base.index) : undefined;
    let scope = parent?.scope ?? openScope(plan.inputs, base.Env ?? []);
    let state = openState(parent?.config ?? base);
    const steps: Step[] = [];
    const history: string[] = [];
    for (const instruction of [...(parent ? triggersOf(parent.stage) : []), ...stage.instructions]) {
      const { config } = state;
      const evaluation = evaluate(instruction, scope);
      scope = evaluation.scope;
      state = applyToConfig(state, evaluation.step);
      steps.push(evaluation.step);
      history.push(historyOf(evaluation.step, { config, scope })?.createdBy ?? '(none)');
    }
    built.set(stage.index, { stage, steps, scope, config: state.config, author: state.author, history });
  }
  return [...built.values()];
}

/** Of the target. */
export function buildTarget(text: string, options: Partial<PlanOptions> = {}): Built {
  const last = buildOnPaper(planOf(text, options)).at(-1);
  if (!last) throw new Error('no stage');
  return last;
}

/** A step without its place, ready to be compared. */
export function plainStep(step: Step): Record<string, unknown> {
  const { node, ...rest } = step;
  const lines = `${node.range.start.line}-${node.range.end.line}`;
  const fields = Object.entries(rest).filter(
    ([key]) => key !== 'mode' && key !== 'trigger' && key !== 'written',
  );
  return { lines, ...Object.fromEntries(fields) };
}
