import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Platform } from '../../base/descriptor.ts';
import { BldError } from '../../base/errors.ts';
import { check } from '../../builder/build/check.ts';
import { openSource } from '../../builder/build/context.ts';
import { type BuildOptions, build, planOf, planOptions } from '../../builder/build.ts';
import type { Committed } from '../../builder/commit.ts';
import { exportDirectory, exportTar } from '../../builder/export.ts';
import { push } from '../../builder/images.ts';
import { formatWarning, type LintReport } from '../../dockerfile/lint.ts';
import { cacheSources, cacheTargets } from '../build-cache.ts';
import { argumentLines, buildArgs, namedValues, readAgent, readSecret } from '../build-inputs.ts';
import { outputsOf } from '../build-outputs.ts';
import { buildReport } from '../build-report.ts';
import { compressionOptions } from '../compression-options.ts';
import type { Context } from '../context.ts';
import { identity } from '../identity.ts';
import { lines, type Outcome, text, writeLog } from '../output.ts';
import { onePlatform } from '../platform-option.ts';
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

function platformOf(options: Options): Platform | undefined {
  if (options.platform.length < 2) return onePlatform(options);
  throw new BldError('E_UNSUPPORTED', 'several platforms in one build are not provided', {
    hint: 'build each of them with its own --platform and name',
  });
}

function cacheOptions(options: Options, args: ReadonlyMap<string, string>): BuildOptions['cache'] {
  const { to, inline } = cacheTargets(options.cacheTo);
  if (!options.layers && (to.length > 0 || inline || options.cacheFrom.length > 0)) {
    throw new BldError(
      'E_USAGE',
      '--cache-to and --cache-from need --layers: only steps with layers of their own are kept',
    );
  }
  return {
    to,
    inline: inline || args.get('BUILDKIT_INLINE_CACHE') === '1',
    from: cacheSources(options.cacheFrom),
    ttl: options.cacheTtl,
    noCacheFor: options.noCacheFilter,
  };
}

function buildOptions(options: Options, env: NodeJS.ProcessEnv): BuildOptions {
  const args = buildArgs([...options.buildArgFile.flatMap(argumentLines), ...options.buildArg], env);
  const unset = (names: readonly unknown[]) => names.map((name) => [String(name), null] as const);
  return {
    target: options.target,
    buildArgs: args,
    platform: platformOf(options),
    pull: options.pullAlways ? 'always' : options.pullNever ? 'never' : options.pull,
    contexts: new Map(Object.entries(namedValues(options.buildContext, 'build context'))),
    secrets: new Map(options.secret.map((text) => readSecret(text, env))),
    ssh: new Map(options.ssh.map((text) => readAgent(text, env))),
    labels: namedValues(options.label, 'label'),
    run: runDefaults(options),
    allow: options.allow as readonly string[],
    layers: options.layers,
    noCache: options.noCache,
    cache: cacheOptions(options, args),
    jobs: options.jobs || availableParallelism(),
    keepFailed: options.keepFailed,
    commit: {
      format: options.format,
      squash: options.squash,
      timestamp: options.timestamp,
      sourceDateEpoch: options.sourceDateEpoch ?? epochOf(args.get('SOURCE_DATE_EPOCH')),
      rewriteTimestamp: options.rewriteTimestamp,
      omitHistory: options.omitHistory,
      change: {
        env: { ...namedValues(options.env, 'variable'), ...Object.fromEntries(unset(options.unsetenv)) },
        labels: Object.fromEntries(unset(options.unsetlabel)),
      },
      annotations: namedValues(options.annotation, 'annotation'),
      unsetAnnotations: options.unsetannotation,
      identity: options.identityLabel ? identity().version : undefined,
      createdAnnotation: options.createdAnnotation,
      ...compressionOf(options),
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

function tell(options: Options, made: Committed): Outcome {
  if (options.metadataFile !== undefined) {
    const metadata = {
      'containerimage.config.digest': made.id,
      ...(made.manifest && { 'containerimage.digest': made.manifest }),
      ...(made.names.length > 0 && { 'image.name': made.names.join(',') }),
    };
    writeFileSync(options.metadataFile, `${JSON.stringify(metadata, null, 2)}\n`);
  }
  if (options.iidfile !== undefined) writeFileSync(options.iidfile, made.id);
  if (options.iidfileRaw !== undefined) writeFileSync(options.iidfileRaw, made.id.slice(7));
  const isFiled = options.iidfile !== undefined || options.iidfileRaw !== undefined;
  return isFiled ? undefined : lines([made.id.slice(7)]);
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
  const building = buildOptions(options, context.env);
  const report = check(engine, source, planOptions(building));
  if (options.check) return tellCheck(context, report);
  if (report.isViolation) tellCheck(context, report);
  for (const file of [options.iidfile, options.iidfileRaw])
    if (file !== undefined) rmSync(file, { force: true });
  const outputs = outputsOf(options.tag, options.output, options.push);
  const { names, destinations } = outputs;
  const say = speaker(context, options, outputs.tars.includes('-'));
  const plan = planOf(source, building);
  const made = await build(engine, source, { ...building, names, destinations, onEvent: buildReport(say) });
  if (plan.unusedBuildArgs.length > 0) {
    say(`[Warning] one or more build args were not consumed: [${plan.unusedBuildArgs.join(' ')}]\n`);
  }
  for (const name of [...made.names.slice(1), ...made.names.slice(0, 1)])
    say(`Successfully tagged ${name}\n`);
  for (const directory of outputs.directories) await exportDirectory(engine, made.id, directory);
  for (const tar of outputs.tars) await exportTar(engine, made.id, tar === '-' ? process.stdout : tar);
  for (const name of outputs.pushed) {
    await push(engine, name, `docker://${name}`, { format: options.format });
  }
  const said = tell(options, made);
  return outputs.tars.includes('-') ? undefined : said;
};
