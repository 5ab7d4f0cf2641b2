import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { BldError } from '../../base/errors.ts';
import { check } from '../../builder/build/check.ts';
import { openSource } from '../../builder/build/context.ts';
import { fetchOptions } from '../../builder/build/secrets.ts';
import {
  type BuildEvent,
  type BuildOptions,
  type Built,
  build,
  planOf,
  planOptions,
} from '../../builder/build.ts';
import type { Engine } from '../../builder/engine.ts';
import { describe } from '../../builder/images.ts';
import { EPOCH } from '../../dockerfile/variables.ts';
import { formatPlatform, hostPlatform } from '../../images/platform.ts';
import { openAgents } from '../build-agents.ts';
import { cacheSources, cacheTargets } from '../build-cache.ts';
import { BUILD } from '../build-call.ts';
import { tellCheck, tellOutline, tellTargets } from '../build-check.ts';
import {
  argumentLines,
  buildArgs,
  cppFlags,
  namedValues,
  readSecret,
  readSsh,
  variables,
} from '../build-inputs.ts';
import { writeMetadata, writeTold } from '../build-metadata.ts';
import { type Outputs, outputsOf } from '../build-outputs.ts';
import { allPlatforms, namedPlatforms } from '../build-platforms.ts';
import { openBuildView } from '../build-view/open.ts';
import type { SplitLog } from '../build-view/split.ts';
import type { BuildView } from '../build-view/view.ts';
import { compressionOptions } from '../compression-options.ts';
import type { Context } from '../context.ts';
import { identity } from '../identity.ts';
import { lines, type Outcome } from '../output.ts';
import { runDefaults } from '../run-defaults.ts';
import type { Handler, Values } from '../spec.ts';
import { readEpoch } from '../values.ts';
import type { spec } from './build.ts';

function compressionOf(options: Values<typeof spec.flags>) {
  const { compression, level, force } = compressionOptions(options);
  return { compression, compressionLevel: level, forceCompression: force };
}

/** As a build argument: what the flag takes, or nothing where it is not set. */
function epochOf(text: string | undefined): number | 'context' | undefined {
  return text ? readEpoch(text) : undefined;
}

type Options = Values<typeof spec.flags>;

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

function buildOptions(options: Options, env: NodeJS.ProcessEnv, outputs: Outputs): BuildOptions {
  if (options.stageLabels && !options.saveStages)
    throw new BldError('E_USAGE', '--stage-labels needs --save-stages');
  const args = buildArgs([...options.buildArgFile.flatMap(argumentLines), ...options.buildArg], env);
  const epoch = options.sourceDateEpoch ?? epochOf(args.get(EPOCH));
  if (epoch !== undefined) args.set(EPOCH, String(epoch));
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
    failOnSecret: options.failOnSecret,
    secrets: new Map(options.secret.map((text) => readSecret(text, env))),
    from: options.from,
    env: variables(options.env, env),
    mounts: options.mount,
    noHosts: options.noHosts,
    labels: namedValues(options.label, 'label'),
    run: runDefaults(options),
    allow: options.allow as readonly string[],
    layers: options.layers,
    noCache: options.noCache,
    cache: cacheOptions(options, args),
    jobs: options.jobs || availableParallelism(),
    keepFailed: options.keepFailed,
    compatVolumes: options.compatVolumes,
    saveStages: options.saveStages,
    stageLabels: options.stageLabels,
    commit: {
      format: options.format,
      squash: options.squash,
      timestamp: options.timestamp,
      rewriteTimestamp: options.rewriteTimestamp || rewritesTimestamps,
      omitHistory: options.omitHistory,
      change: {
        env: Object.fromEntries(unset(options.unsetenv)),
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

async function tell(
  engine: Engine,
  options: Options,
  { made, outputs }: { readonly made: Built; readonly outputs: Outputs },
): Promise<Outcome> {
  const { id, descriptor, isIndex, images, provenance } = made;
  const isOne = images.length === 1;
  if (options.metadataFile !== undefined) {
    const isKept = engine.store.images.get(id) || engine.store.images.findIndex(id);
    writeMetadata(options.metadataFile, {
      ...(!isIndex && { config: id }),
      descriptor: descriptor ?? (isKept ? await describe(engine, id) : null),
      provenance: provenance.map((predicate, at) => {
        const platform = images[at]?.platform;
        return [isOne || !platform ? undefined : formatPlatform(platform), predicate] as const;
      }),
      names: [...new Set([...made.names, ...outputs.pushed.map(({ name }) => name)])],
    });
  }
  if (options.iidfile !== undefined) writeTold(options.iidfile, id);
  if (options.iidfileRaw !== undefined) writeTold(options.iidfileRaw, id.slice(7));
  const isFiled = options.iidfile !== undefined || options.iidfileRaw !== undefined;
  return isFiled ? undefined : lines([id.slice(7)]);
}

/** With `--logsplit` a platform's log is named after it. */
function logfileOf(options: Options): string | SplitLog | undefined {
  const { logfile, logsplit } = options;
  if (!logsplit) return logfile;
  if (logfile === undefined) throw new BldError('E_USAGE', '--logsplit needs --logfile');
  const fileOf = (platform: string) => `${logfile}_${platform.split('/').slice(0, 2).join('_')}`;
  const [first = hostPlatform(), ...others] = namedPlatforms(options);
  const isSeveral = options.allPlatforms || others.length > 0;
  return { rest: isSeveral ? logfile : fileOf(formatPlatform(first)), fileOf };
}

/** The failure, and how to look into the container that was kept. */
function withKept(error: unknown, kept: string | undefined, { globals }: Context): unknown {
  if (kept === undefined || !(error instanceof BldError)) return error;
  const { code, message, hint, exitCode, spot } = error;
  const words = ['bld', ...(globals.root === undefined ? [] : ['--root', globals.root])].join(' ');
  const enter = `the container is kept, look into it: ${words} run ${kept} sh`;
  const hints = [hint, enter].filter((one) => one !== undefined).join('\n');
  return new BldError(code, message, { hint: hints, exitCode, spot, cause: error });
}

export const handle: Handler<typeof spec.flags> = async (context, options, [directory = '.']) => {
  const { requireCached, explain } = options;
  const outputs = outputsOf(options.tag, options.output, options.push);
  const view = openBuildView({
    progress: options.quiet ? 'quiet' : options.progress,
    logfile: logfileOf(options),
    isTaken: outputs.takesStdout,
    directory,
    env: context.env,
    print: context.print,
  });
  let kept: string | undefined;
  const onEvent = (event: BuildEvent) => {
    if (event.kind === 'kept') kept = event.container;
    else view.event(event);
  };
  try {
    const { progress } = view;
    const engine = await context.engine({ progress, registry: options, requireCached, explain });
    const said = await perform({ context, options, directory, engine, view, outputs, onEvent });
    view.end();
    return said;
  } catch (error) {
    view.end(error);
    throw withKept(error, kept, context);
  }
};

interface Work {
  readonly context: Context;
  readonly options: Options;
  readonly directory: string;
  readonly engine: Engine;
  readonly view: BuildView;
  readonly outputs: Outputs;
  readonly onEvent: (event: BuildEvent) => void;
}

async function attestations(options: Options, env: NodeJS.ProcessEnv) {
  const { provenance, sbom, attest, metadataFile } = options;
  if (!provenance && !sbom && attest.length === 0 && metadataFile === undefined) return {};
  const { attestationsOf, toldProvenance } = await import('../build-attestations.ts');
  return {
    ...attestationsOf({ provenance, sbom, attest }),
    tellProvenance:
      metadataFile === undefined ? undefined : toldProvenance(env['BUILDX_METADATA_PROVENANCE']),
  };
}

async function perform(work: Work): Promise<Outcome> {
  const { context, options, directory, engine, view, outputs, onEvent } = work;
  using agents = new DisposableStack();
  const sources = options.ssh.map((text) => readSsh(text, context.env));
  const ssh = await openAgents(engine, sources, agents);
  const attested = await attestations(options, context.env);
  const asked = { ...buildOptions(options, context.env, outputs), ...attested, ssh };
  const source = await openSource(engine, {
    ...fetchOptions(asked),
    context: directory,
    files: options.file,
    ignoreFile: options.ignorefile,
    cppFlags: cppFlags(options.cppFlag, context.env),
    input: () => process.stdin,
  });
  const call = [options.check, options.call].find((one) => one && one.method !== 'build') ?? BUILD;
  if (call.method === 'targets') return tellTargets(planOf(source, asked), call.format);
  const building = options.allPlatforms
    ? { ...asked, platforms: await allPlatforms(engine, source, asked) }
    : asked;
  const report = check(engine, source, { ...planOptions(building), check: call.options });
  if (call.method === 'check' || report.isViolation) {
    const said = tellCheck(report, call.format, context.print);
    if (call.method === 'check') return said;
  }
  if (call.method === 'outline') return tellOutline(planOf(source, building), call.format);
  for (const file of [options.iidfile, options.iidfileRaw])
    if (file !== undefined) rmSync(file, { force: true });
  const made = await build(engine, source, { ...building, onEvent });
  for (const { rule, message, place } of report.warnings)
    view.warning(rule, message, { file: place.source.name, line: place.range.start.line });
  if (made.unusedBuildArgs.length > 0) {
    view.say(`[Warning] one or more build args were not consumed: [${made.unusedBuildArgs.join(' ')}]\n`);
  }
  for (const name of [...made.names.slice(1), ...made.names.slice(0, 1)])
    view.say(`Successfully tagged ${name}\n`);
  for (const { name } of outputs.pushed) view.say(`Successfully pushed ${name}\n`);
  const said = await tell(engine, options, { made, outputs });
  return outputs.takesStdout || outputs.isCacheOnly ? undefined : said;
}
