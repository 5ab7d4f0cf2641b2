import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Digest } from '../../base/digest.ts';
import { BldError, isErrno } from '../../base/errors.ts';
import { type IgnoreMatcher, parseIgnoreFile } from '../../dockerfile/ignore.ts';
import type { Stage, StageBase } from '../../dockerfile/plan.ts';
import { read } from '../container.ts';
import { obtainImage } from '../from.ts';
import { filesOfLayers, hostOrigin, type Origin, originOf } from '../origin.ts';
import { layerStack } from '../rootfs.ts';
import type { Job } from './job.ts';

/** Where a COPY or a mount takes its files from, not opened yet. */
export interface FileSource {
  readonly ignore?: IgnoreMatcher;
  /** What it is in full, where that is known without looking: the names of its layers. */
  readonly reference?: string;
  readonly open: () => Promise<Origin> | Origin;
  /** Its directories, the uppermost first: lower ones of an overlay. */
  readonly trees: () => Promise<readonly string[]>;
}

/** What a `--build-context` value means. */
export type NamedContext =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'image'; readonly image: string };

/** Reads a `--build-context` value. E_UNSUPPORTED for what would have to be fetched by git or HTTP. */
export function readContext(value: string): NamedContext {
  const [, scheme, rest = ''] = /^([a-z-]+):\/\/(.*)$/s.exec(value) ?? [];
  if (scheme === 'docker-image' || scheme === 'container-image') return { kind: 'image', image: rest };
  if (scheme === 'oci-layout') return { kind: 'image', image: `oci:${rest.replace(/@sha256:.*$/, '')}` };
  if (scheme === undefined && !/^(?:git@|docker-image:|target:)/.test(value)) {
    return { kind: 'directory', path: resolve(value) };
  }
  throw new BldError(
    'E_UNSUPPORTED',
    `build context ${JSON.stringify(value)} is of a kind that is not provided`,
    {
      hint: 'there are directories, docker-image://NAME and oci-layout://PATH:NAME',
    },
  );
}

/** The first ignore file of these that is there. E_DOCKERFILE when a line of it is wrong. */
export function readIgnoreFile(paths: readonly string[]): IgnoreMatcher | undefined {
  for (const path of paths) {
    try {
      return parseIgnoreFile(readFileSync(path, 'utf8'), path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
  return undefined;
}

/** The ignore files that a context has of its own. */
export function ignoreFilesOf(directory: string): string[] {
  return ['.containerignore', '.dockerignore'].map((name) => join(directory, name));
}

/** The build's own context, or what `--from=name` means to this stage. */
export async function sourceOf(job: Job, stage: Stage, name: string | undefined): Promise<FileSource> {
  if (name === undefined || name === '') return directorySource(job.context.directory, job.context.ignore);
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
      return imageSource(job, stage, base.reference);
    case 'context': {
      const context = job.named(base.name);
      if (context.kind === 'image') return imageSource(job, stage, context.image);
      return directorySource(context.path, readIgnoreFile(ignoreFilesOf(context.path)));
    }
    default:
      throw new Error(`internal: a source of kind ${JSON.stringify(base)} in ${engine.store.root}`);
  }
}

function directorySource(directory: string, ignore: IgnoreMatcher | undefined): FileSource {
  const open = () => hostOrigin({ contextDir: directory });
  return { open, trees: async () => [directory], ...(ignore && { ignore }) };
}

async function imageSource(job: Job, stage: Stage, image: string): Promise<FileSource> {
  const record = await obtainImage(job.engine, image, {
    pull: job.options.pull,
    platform: job.isForeign(stage) ? stage.platform : undefined,
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
