import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { BldError } from '../../base/errors.ts';
import { check } from '../../builder/build/check.ts';
import { openSource } from '../../builder/build/context.ts';
import { type BuildOptions, type Built, build, planOf, planOptions } from '../../builder/build.ts';
import type { Engine } from '../../builder/engine.ts';
import { describe } from '../../builder/images.ts';
import { formatWarning, type LintReport } from '../../dockerfile/lint.ts';
import { argumentLines, buildArgs, namedValues, readAgent, readSecret } from '../build-inputs.ts';
import { writeMetadata } from '../build-metadata.ts';
import { type Outputs, outputsOf } from '../build-outputs.ts';
import { allPlatforms, namedPlatforms } from '../build-platforms.ts';
import { buildReport } from '../build-report.ts';
import { compressionOptions } from '../compression-options.ts';
import type { Context } from '../context.ts';
import { identity } from '../identity.ts';
import { lines, type Outcome, text, writeLog } from '../output.ts';
import { runDefaults } from '../run-defaults.ts';
import type { Handler, Values } from '../spec.ts';
import { readSeconds } from '../values.ts';
import type { spec } from './build.ts';

function compressionOf(options: Values<typeof spec.flags>) {
  const { compression, level, force } = compressionOptions(options);
  return { compression, compressionLevel: level, forceCompression: force };
}

/** As a build argument: seconds, or nothing where it is not set. */
function epochOf(text: string | undefined): number | undefined {
  return text ? readSeconds(text) : undefined;
}

type Options = Values<typeof spec.flags>;

function buildOptions(options: Options, env: NodeJS.ProcessEnv, outputs: Outputs): BuildOptions {
  const args = buildArgs([...options.buildArgFile.flatMap(argumentLines), ...options.buildArg], env);
  const epoch = options.sourceDateEpoch ?? epochOf(args.get('SOURCE_DATE_EPOCH'));
  if (epoch !== undefined) args.set('SOURCE_DATE_EPOCH', String(epoch));
  const { isCacheOnly, takesStdout: _, annotations, rewritesTimestamps, stored, ...places } = outputs;
  const unset = (names: readonly unknown[]) => names.map((name) => [String(name), null] as const);
  return {
    ...places,
    cacheOnly: isCacheOnly,
    list: options.manifest,
    target: options.target,
    buildArgs: args,
    platforms: namedPlatforms(options),
    allStages: !options.skipUnusedStages,
    inheritLabels: options.inheritLabels,
    inheritAnnotations: options.inheritAnnotations,
    pull: options.pullAlways ? 'always' : options.pullNever ? 'never' : options.pull,
    contexts: new Map(Object.entries(namedValues(options.buildContext, 'build context'))),
    secrets: new Map(options.secret.map((text) => readSecret(text, env))),
    ssh: new Map(options.ssh.map((text) => readAgent(text, env))),
    labels: namedValues(options.label, 'label'),
    run: runDefaults(options),
    allow: options.allow as readonly string[],
    layers: options.layers,
    noCache: options.noCache,
    jobs: options.jobs || availableParallelism(),
    keepFailed: options.keepFailed,
    commit: {
      format: options.format,
      squash: options.squash,
      timestamp: options.timestamp,
      sourceDateEpoch: epoch,
      rewriteTimestamp: options.rewriteTimestamp || rewritesTimestamps,
      omitHistory: options.omitHistory,
      change: {
        env: { ...namedValues(options.env, 'variable'), ...Object.fromEntries(unset(options.unsetenv)) },
        labels: Object.fromEntries(unset(options.unsetlabel)),
        ...(options.osVersion !== undefined && { osVersion: options.osVersion }),
        ...(options.osFeature.length > 0 && { osFeatures: { add: options.osFeature } }),
      },
      annotations: { ...namedValues(options.annotation, 'annotation'), ...annotations },
      unsetAnnotations: options.unsetannotation,
      identity: options.identityLabel ? identity().version : undefined,
      createdAnnotation: options.createdAnnotation,
      ...compressionOf(options),
      ...(stored.format && { format: stored.format }),
      ...(stored.compression && { compression: stored.compression }),
      ...(stored.level !== undefined && { compressionLevel: stored.level }),
      ...(stored.force !== undefined && { forceCompression: stored.force }),
    },
  };
}

/** Warnings go to standard output; E_DOCKERFILE for what would fail the build, or where `check=error=true`. */
function tellCheck(context: Context, { warnings, errors, isViolation }: LintReport): Outcome {
  const said = warnings.map((warning) => `${formatWarning(warning)}\n\n`).join('');
  if (said) context.print(text(said));
  const [error] = errors;
  if (error) throw error;
  if (isViolation) {
    throw new BldError('E_DOCKERFILE', `checks that are errors in this file failed: ${warnings.length}`, {
      hint: 'mend them, or leave them out by "# check=skip=NAME"',
      exitCode: 1,
    });
  }
  return said ? undefined : text('Check complete, no warnings found.\n');
}

async function tell(
  engine: Engine,
  options: Options,
  { made, outputs }: { readonly made: Built; readonly outputs: Outputs },
): Promise<Outcome> {
  const { id, descriptor, isIndex } = made;
  if (options.metadataFile !== undefined) {
    const isKept = engine.store.images.get(id) || engine.store.images.findIndex(id);
    writeMetadata(options.metadataFile, {
      ...(!isIndex && { config: id }),
      descriptor: descriptor ?? (isKept ? await describe(engine, id) : null),
      names: [...new Set([...made.names, ...outputs.pushed.map(({ name }) => name)])],
    });
  }
  if (options.iidfile !== undefined) writeFileSync(options.iidfile, id);
  if (options.iidfileRaw !== undefined) writeFileSync(options.iidfileRaw, id.slice(7));
  const isFiled = options.iidfile !== undefined || options.iidfileRaw !== undefined;
  return isFiled ? undefined : lines([id.slice(7)]);
}

/** Where what the build says goes: standard output (or error, where a tar takes that one), a file, nowhere. */
function speaker(context: Context, { quiet, logfile }: Options, isTaken: boolean): (text: string) => void {
  if (logfile !== undefined) {
    writeFileSync(logfile, '');
    return (text) => appendFileSync(logfile, text);
  }
  if (isTaken && !quiet) return writeLog;
  return quiet ? () => {} : (text) => context.print({ kind: 'text', text });
}

export const handle: Handler<typeof spec.flags> = async (context, options, [directory = '.']) => {
  const { requireCached, explain } = options;
  const engine = await context.engine({ quiet: options.quiet, registry: options, requireCached, explain });
  const source = await openSource(engine, {
    context: directory,
    files: options.file,
    ignoreFile: options.ignorefile,
    input: () => process.stdin,
  });
  const outputs = outputsOf(options.tag, options.output, options.push);
  const asked = buildOptions(options, context.env, outputs);
  const building = options.allPlatforms
    ? { ...asked, platforms: await allPlatforms(engine, source, asked) }
    : asked;
  const report = check(engine, source, planOptions(building));
  if (options.check) return tellCheck(context, report);
  if (report.isViolation) tellCheck(context, report);
  for (const file of [options.iidfile, options.iidfileRaw])
    if (file !== undefined) rmSync(file, { force: true });
  const say = speaker(context, options, outputs.takesStdout);
  const plan = planOf(source, building);
  const made = await build(engine, source, { ...building, onEvent: buildReport(say) });
  if (plan.unusedBuildArgs.length > 0) {
    say(`[Warning] one or more build args were not consumed: [${plan.unusedBuildArgs.join(' ')}]\n`);
  }
  for (const name of [...made.names.slice(1), ...made.names.slice(0, 1)])
    say(`Successfully tagged ${name}\n`);
  const said = await tell(engine, options, { made, outputs });
  return outputs.takesStdout || outputs.isCacheOnly ? undefined : said;
};
