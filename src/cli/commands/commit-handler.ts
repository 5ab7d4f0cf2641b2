import { readFileSync, rmSync, statSync } from 'node:fs';
import { BldError, explain } from '../../base/errors.ts';
import { type CommitOptions, type Committed, commit } from '../../builder/commit.ts';
import { findContainer } from '../../builder/container.ts';
import { copy } from '../../builder/copy.ts';
import type { Engine } from '../../builder/engine.ts';
import { writeMetadata, writeTold } from '../build-metadata.ts';
import { identity } from '../identity.ts';
import { lines, type Outcome } from '../output.ts';
import type { Handler, Values } from '../spec.ts';
import type { spec } from './commit.ts';

type Options = Values<typeof spec.flags>;

function timestampOf(options: Options): number | undefined {
  if (options.referenceTime !== undefined) return Math.floor(statSync(options.referenceTime).mtimeMs / 1000);
  return options.omitTimestamp ? 0 : options.timestamp;
}

function pairs(items: readonly string[]): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const item of items) {
    const at = item.indexOf('=');
    if (at <= 0)
      throw new BldError('E_USAGE', `invalid annotation ${JSON.stringify(item)}: expected NAME=VALUE`);
    map[item.slice(0, at)] = item.slice(at + 1);
  }
  return map;
}

/** `--config FILE`: the settings of a JSON document take the place of the container's. */
function configFile(path: string): CommitOptions['settings'] {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    return (value['config'] ?? value) as CommitOptions['settings'];
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new BldError('E_USAGE', `${path}: ${error.message}`, { cause: error });
    throw explain(error, `reading ${path}`);
  }
}

async function tell(engine: Engine, options: Options, made: Committed): Promise<Outcome> {
  const { id, names, descriptor } = made;
  if (options.metadataFile !== undefined) {
    const { describe } = await import('../../builder/images.ts');
    const isKept = engine.store.images.get(id) !== null;
    writeMetadata(options.metadataFile, {
      config: id,
      descriptor: descriptor ?? (isKept ? await describe(engine, id) : null),
      names,
    });
  }
  if (options.iidfile === undefined) return lines([id.slice(7)]);
  writeTold(options.iidfile, id);
  return undefined;
}

export const handle: Handler<typeof spec.flags> = async (context, options, [name = '', given]) => {
  const engine = await context.engine({ quiet: options.quiet, registry: options });
  const container = findContainer(engine, name);
  const destination = given || undefined;
  for (const item of options.addFile) {
    const colon = item.lastIndexOf(':');
    const [source, target] = colon > 0 ? [item.slice(0, colon), item.slice(colon + 1)] : [item, item];
    await copy(container, [source], target);
  }
  const commitOptions: CommitOptions = {
    format: options.format,
    squash: options.squash,
    rm: options.rm,
    timestamp: timestampOf(options),
    sourceDateEpoch: options.sourceDateEpoch,
    rewriteTimestamp: options.rewriteTimestamp,
    omitHistory: options.omitHistory,
    settings: options.config === undefined ? undefined : configFile(options.config),
    change: { env: Object.fromEntries(options.unsetenv.map((name) => [name, null])) },
    instructions: options.change,
    annotations: pairs(options.annotation),
    unsetAnnotations: options.unsetannotation,
    identity: options.identityLabel ? identity().version : undefined,
    createdAnnotation: options.createdAnnotation,
    compression: options.disableCompression ? 'none' : compressionOf(options.compressionFormat),
    compressionLevel: options.compressionLevel,
    forceCompression: options.forceCompression,
  };
  if (options.iidfile !== undefined) rmSync(options.iidfile, { force: true });
  const made = await commit(container, destination, commitOptions);
  if (options.manifest !== undefined) {
    const { addToList } = await import('../../builder/lists.ts');
    const image = engine.store.images.get(made.id) ? made.id : (destination ?? made.id);
    await addToList(engine, options.manifest, image, { create: true });
  }
  return tell(engine, options, made);
};

function compressionOf(format: string | undefined): 'gzip' | 'zstd' | undefined {
  return format === 'gzip' || format === 'zstd' ? format : format === undefined ? undefined : 'zstd';
}
