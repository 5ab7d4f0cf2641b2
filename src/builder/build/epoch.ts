import { BldError } from '../../base/errors.ts';
import type { Plan } from '../../dockerfile/plan.ts';
import { EPOCH, OF_CONTEXT } from '../../dockerfile/variables.ts';
import type { BuildSource } from './context.ts';
import type { BuildOptions } from './types.ts';

/**
 * The options with the date that SOURCE_DATE_EPOCH asks for, by a build argument or a global ARG: a number, or `context`
 * for that of the context, which a directory of the person's own has none of. E_USAGE, E_UNSUPPORTED for other words.
 */
export function withEpoch(
  source: BuildSource,
  options: BuildOptions,
  plan: (options: BuildOptions) => Plan,
): BuildOptions {
  const { buildArgs, commit } = options;
  if (commit?.sourceDateEpoch !== undefined) return options;
  const given = buildArgs?.get(EPOCH);
  if (given === undefined && !source.dockerfile.text.includes(EPOCH)) return options;
  const planned = given === undefined ? plan(options) : undefined;
  const text = given ?? planned?.epoch ?? '';
  if (text === '') return options;
  if (text !== OF_CONTEXT) return dated(options, secondsOf(text, planned));
  if (source.date !== undefined) return dated(options, source.date);
  if (given === undefined) return options;
  const others = new Map(buildArgs);
  others.delete(EPOCH);
  return withEpoch(source, { ...options, buildArgs: others }, plan);
}

function dated(options: BuildOptions, seconds: number): BuildOptions {
  const buildArgs = new Map(options.buildArgs).set(EPOCH, String(seconds));
  return { ...options, buildArgs, commit: { ...options.commit, sourceDateEpoch: seconds } };
}

function secondsOf(text: string, plan: Plan | undefined): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  const isStage = plan?.stages.some(({ name }) => name === text.toLowerCase()) ?? false;
  throw new BldError(
    isStage ? 'E_UNSUPPORTED' : 'E_USAGE',
    isStage
      ? `${EPOCH}=${text}: the date of a stage is not known`
      : `${EPOCH}=${text} is no number of seconds since 1970`,
    { hint: `write seconds, or ${EPOCH}=${OF_CONTEXT} for the date of a git or http context` },
  );
}
