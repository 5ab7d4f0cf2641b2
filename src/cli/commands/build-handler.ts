import { rmSync, writeFileSync } from 'node:fs';
import { BldError } from '../../base/errors.ts';
import { readSource } from '../../builder/build/context.ts';
import { build } from '../../builder/build.ts';
import { parseLocation } from '../../images/location.ts';
import { newImageName } from '../../images/reference.ts';
import { buildReport } from '../build-report.ts';
import { compressionOptions } from '../compression-options.ts';
import { identity } from '../identity.ts';
import { lines } from '../output.ts';
import { onePlatform } from '../platform-option.ts';
import { runDefaults } from '../run-defaults.ts';
import type { Handler, Values } from '../spec.ts';
import type { spec } from './build.ts';

/** `NAME=VALUE`; a bare NAME takes over bld's own variable, when there is one. */
function argsOf(items: readonly string[], env: NodeJS.ProcessEnv): Map<string, string> {
  const args = new Map<string, string>();
  for (const item of items) {
    const at = item.indexOf('=');
    const own = at < 0 ? env[item] : undefined;
    if (at === 0) throw new BldError('E_USAGE', `invalid build argument ${JSON.stringify(item)}`);
    if (at > 0) args.set(item.slice(0, at), item.slice(at + 1));
    else if (own !== undefined) args.set(item, own);
  }
  return args;
}

function pairs(items: readonly string[], what: string): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const item of items) {
    const at = item.indexOf('=');
    if (at === 0)
      throw new BldError('E_USAGE', `invalid ${what} ${JSON.stringify(item)}: expected NAME=VALUE`);
    map[at < 0 ? item : item.slice(0, at)] = at < 0 ? '' : item.slice(at + 1);
  }
  return map;
}

function destinationsOf(tags: readonly string[]) {
  const names: string[] = [];
  const destinations = [];
  for (const tag of tags) {
    const location = parseLocation(tag);
    if (location === null) names.push(newImageName(tag));
    else if (location.transport === 'containers-storage') names.push(newImageName(location.name));
    else destinations.push(location);
  }
  return { names, destinations };
}

function compressionOf(options: Values<typeof spec.flags>) {
  const { compression, level, force } = compressionOptions(options);
  return { compression, compressionLevel: level, forceCompression: force };
}

export const handle: Handler<typeof spec.flags> = async (context, options, [directory = '.']) => {
  const { requireCached, explain } = options;
  const source = readSource({ context: directory, files: options.file, ignoreFile: options.ignorefile });
  const engine = await context.engine({ quiet: options.quiet, registry: options, requireCached, explain });
  if (options.iidfile !== undefined) rmSync(options.iidfile, { force: true });
  const say = options.quiet ? () => {} : (line: string) => context.print({ kind: 'text', text: line });
  const { names, destinations } = destinationsOf(options.tag);
  const made = await build(engine, source, {
    names,
    destinations,
    target: options.target,
    buildArgs: argsOf(options.buildArg, context.env),
    platform: onePlatform(options),
    pull: options.pullAlways ? 'always' : options.pullNever ? 'never' : options.pull,
    contexts: new Map(Object.entries(pairs(options.buildContext, 'build context'))),
    labels: pairs(options.label, 'label'),
    run: runDefaults(options),
    allow: options.allow as readonly string[],
    layers: options.layers,
    noCache: options.noCache,
    jobs: options.jobs,
    keepFailed: options.keepFailed,
    commit: {
      format: options.format,
      squash: options.squash,
      timestamp: options.timestamp,
      sourceDateEpoch: options.sourceDateEpoch,
      rewriteTimestamp: options.rewriteTimestamp,
      omitHistory: options.omitHistory,
      annotations: pairs(options.annotation, 'annotation'),
      unsetAnnotations: options.unsetannotation,
      identity: options.identityLabel ? identity().version : undefined,
      createdAnnotation: options.createdAnnotation,
      ...compressionOf(options),
    },
    onEvent: buildReport(say),
  });
  for (const name of [...made.names.slice(1), ...made.names.slice(0, 1)])
    say(`Successfully tagged ${name}\n`);
  if (options.iidfile === undefined) return lines([made.id.slice(7)]);
  writeFileSync(options.iidfile, made.id);
  return undefined;
};
