import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Digest } from '../../base/digest.ts';
import { BldError, isErrno } from '../../base/errors.ts';
import { type IgnoreMatcher, parseIgnoreFile } from '../../dockerfile/ignore.ts';
import type { Stage, StageBase } from '../../dockerfile/plan.ts';
import { redactText } from '../../registry/redact.ts';
import { read } from '../container.ts';
import type { Engine } from '../engine.ts';
import { obtainImage } from '../from.ts';
import { filesOfLayers, hostOrigin, type Origin, originOf } from '../origin.ts';
import { layerStack } from '../rootfs.ts';
import { type FetchOptions, fetchContext } from './fetched.ts';
import { readInside } from './inside.ts';
import type { Job, MainContext } from './job.ts';
import { orMeantStage } from './meant-stage.ts';

/** Where a COPY or a mount takes its files from, not opened yet. */
export interface FileSource {
  readonly ignore?: IgnoreMatcher;
  /** What it is in full, where that is known without looking: the names of its layers. */
  readonly reference?: string;
  readonly open: () => Promise<Origin> | Origin;
  /** Its directories, the uppermost first: lower ones of an overlay. */
  readonly trees: () => Promise<readonly string[]>;
}

/** What a `--build-context` value means; a stage of the same file (`target:NAME`) is the plan's to resolve. */
export type NamedContext =
  | { readonly kind: 'directory'; readonly path: string; readonly isFetched: boolean }
  | { readonly kind: 'image'; readonly image: string };

/** Reads a `--build-context` value, and fetches what it names by git or http. */
export async function readContext(
  engine: Engine,
  value: string,
  options: FetchOptions,
): Promise<NamedContext> {
  const [, scheme, rest = ''] = /^([a-z-]+):\/\/(.*)$/s.exec(value) ?? [];
  if (scheme === 'docker-image' || scheme === 'container-image') return { kind: 'image', image: rest };
  if (value.startsWith('docker-image:')) return { kind: 'image', image: value.slice('docker-image:'.length) };
  if (scheme === 'oci-layout') return { kind: 'image', image: layoutLocation(rest) };
  const path = resolve(value);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    return { kind: 'directory', path, isFetched: false };
  }
  const fetched = await fetchContext(engine, value, options);
  if (fetched?.text !== undefined)
    throw new BldError('E_ARCHIVE', `build context ${redactText(value)}: this is no archive`);
  if (fetched) return { kind: 'directory', path: fetched.directory, isFetched: true };
  throw new BldError(
    scheme === undefined ? 'E_NOT_FOUND' : 'E_USAGE',
    `build context ${JSON.stringify(redactText(value))} is neither a directory nor anything else that is known`,
    {
      hint: 'there are directories, http and git addresses, docker-image://NAME, oci-layout://PATH[:TAG][@DIGEST] and target:STAGE',
    },
  );
}

/** `PATH[:TAG][@DIGEST]` as the transport has it. */
function layoutLocation(text: string): string {
  const [, path = '', tag, digest] =
    /^(.*?)(?::([\w][\w.-]{0,127}))?(?:@(sha\d+:[0-9a-f]+))?$/s.exec(text) ?? [];
  const absolute = resolve(path);
  if (digest !== undefined) return `oci:${absolute}:@${digest}`;
  return tag === undefined ? `oci:${absolute}` : `oci:${absolute}:${tag}`;
}

/** The first ignore file of these that is there; of a fetched tree when its directory is given. E_DOCKERFILE when a line of it is wrong. */
export function readIgnoreFile(
  paths: readonly string[],
  fetched?: string | undefined,
): IgnoreMatcher | undefined {
  for (const path of paths) {
    const text = fetched === undefined ? readOwn(path) : readInside(fetched, path);
    if (text !== null) return parseIgnoreFile(text, path);
  }
  return undefined;
}

function readOwn(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** The ignore files that a context has of its own. */
export function ignoreFilesOf(directory: string): string[] {
  return ['.containerignore', '.dockerignore'].map((name) => join(directory, name));
}

/** What the ignore file of a named context leaves out. */
export function contextIgnore(
  context: NamedContext & { readonly kind: 'directory' },
): IgnoreMatcher | undefined {
  return readIgnoreFile(ignoreFilesOf(context.path), context.isFetched ? context.path : undefined);
}

/** The build's own context, or what `--from=name` means to this stage. */
export async function sourceOf(job: Job, stage: Stage, name: string | undefined): Promise<FileSource> {
  if (name === undefined || name === '') return directorySource(job.context, job.context.ignore);
  const base = job.plan.resolve(name, stage);
  if (base === undefined) throw new BldError('E_NOT_FOUND', `invalid stage index ${name}`);
  return baseSource(job, stage, base);
}

async function baseSource(job: Job, stage: Stage, base: StageBase): Promise<FileSource> {
  const { engine } = job;
  switch (base.kind) {
    case 'scratch':
      return layersSource(job, [], 'scratch');
    case 'stage': {
      const { container } = await job.stage(base.index);
      const name = job.plan.stages[base.index]?.name ?? String(base.index);
      return layersSource(job, read(container).record.layers, `stage ${name}`);
    }
    case 'image':
      return orMeantStage(job, { asker: stage, name: base.reference }, () =>
        imageSource(job, stage, base.reference),
      );
    case 'context': {
      const context = await job.named(base.name);
      if (context.kind === 'image') return imageSource(job, stage, context.image);
      const label = context.isFetched ? `the context ${base.name}` : undefined;
      return directorySource({ directory: context.path, label }, contextIgnore(context));
    }
    default:
      throw new Error(`internal: a source of kind ${JSON.stringify(base)} in ${engine.store.root}`);
  }
}

function directorySource(
  { directory, label }: Pick<MainContext, 'directory' | 'label'>,
  ignore: IgnoreMatcher | undefined,
): FileSource {
  const open = () => hostOrigin({ contextDir: directory, label });
  return { open, trees: async () => [directory], ...(ignore && { ignore }) };
}

async function imageSource(job: Job, stage: Stage, image: string): Promise<FileSource> {
  const record = await obtainImage(job.engine, image, {
    pull: job.options.pull,
    platform: job.isForeign(stage) ? stage.platform : undefined,
    aside: job.isForeign(stage),
  });
  return layersSource(
    job,
    record.layers.map(({ diffId }) => diffId),
    `image ${image}`,
  );
}

function layersSource({ engine }: Job, layers: readonly Digest[], label: string): FileSource {
  return {
    reference: JSON.stringify(layers),
    open: async () => originOf(engine, await filesOfLayers(engine, layers, label)),
    trees: async () => layerStack(engine, layers),
  };
}
