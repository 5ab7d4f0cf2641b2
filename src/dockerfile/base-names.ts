import { didYouMean } from '../base/suggest.ts';
import { Complaint } from './errors.ts';
import { wrongBase } from './hints.ts';
import type { FromInstruction } from './instruction.ts';
import type { PlanOptions, Stage, StageBase } from './plan.ts';
import { familiarName, isImageName } from './reference.ts';

/** What names can stand for at some place of a file. */
export interface Known {
  readonly stages: readonly Stage[];
  readonly contexts: ReadonlyMap<string, NamedContext>;
}

interface NamedContext {
  readonly name: string;
  /** Of the same file, in place of anything else. */
  readonly stage?: string | undefined;
}

/** The named contexts by the names that files may use for them. */
export function contextsOf({ contexts = [], stageContexts }: PlanOptions): Map<string, NamedContext> {
  return new Map(
    [...contexts].map((name) => [
      familiarName(name.toLowerCase()),
      { name, stage: stageContexts?.get(name) },
    ]),
  );
}

/** What stands in for a stage or image of this name; undefined when nothing does. */
export function contextOf(name: string, { contexts, stages }: Known): StageBase | undefined {
  const context = contexts.get(familiarName(name.toLowerCase()));
  if (!context) return undefined;
  const { stage } = context;
  if (stage === undefined) return { kind: 'context', name: context.name };
  const found = stages.findLast((one) => one.name === stage.toLowerCase());
  if (found) return { kind: 'stage', index: found.index };
  const names = stages.map((one) => one.name).filter((one) => one !== undefined);
  throw new Complaint(
    `build context ${context.name}: no stage ${JSON.stringify(stage)} comes before this${didYouMean(stage, names)}`,
  );
}

/** What the name after FROM means. */
export function baseOf(
  from: FromInstruction,
  image: string,
  known: Known & { readonly names: readonly string[] },
): StageBase {
  const context = contextOf(image, known);
  if (context) return context;
  if (image === 'scratch') return { kind: 'scratch' };
  const stage = known.stages.findLast(({ name }) => name === image.toLowerCase());
  if (stage) return { kind: 'stage', index: stage.index };
  if (isImageName(image)) return { kind: 'image', reference: image };
  const above = known.stages.map(({ name }) => name).filter((name) => name !== undefined);
  throw wrongBase(from, image, { above, all: known.names });
}

/** `--from`: a named context, a stage by name or index, or else an image. */
export function resolved(
  name: string,
  known: Known & { readonly asking?: Pick<Stage, 'index'> | undefined },
): StageBase | undefined {
  const context = contextOf(name, known);
  if (context) return context;
  if (name === 'scratch') return { kind: 'scratch' };
  if (/^[-+]?\d+$/.test(name)) {
    const stage = known.stages[Number(name)];
    return stage && { kind: 'stage', index: stage.index };
  }
  const named = known.stages.filter((stage) => stage.name === name.toLowerCase());
  const before = named.findLast((stage) => stage.index < (known.asking?.index ?? Number.POSITIVE_INFINITY));
  const stage = before ?? named.at(-1);
  return stage ? { kind: 'stage', index: stage.index } : { kind: 'image', reference: name };
}
