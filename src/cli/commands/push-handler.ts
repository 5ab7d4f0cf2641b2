import { writeFileSync } from 'node:fs';
import { BldError, explain } from '../../base/errors.ts';
import { type PushOptions, pushImage, pushIndex } from '../../images/push.ts';
import { localCandidates } from '../../images/reference.ts';
import type { IndexRecord, Store } from '../../store/types.ts';
import { compressionOptions } from '../compression-options.ts';
import { knownImage } from '../find-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './push.ts';

function findIndex(store: Store, text: string): IndexRecord | null {
  for (const name of [text, ...localCandidates(text)]) {
    const index = store.images.findIndex(name);
    if (index) return index;
  }
  return null;
}

function formatOf(format: 'oci' | 'v2s1' | 'v2s2' | 'docker' | undefined): PushOptions['format'] {
  if (format === 'v2s1') {
    throw new BldError('E_UNSUPPORTED', 'manifests of schema 1 are not written', { hint: 'use oci or v2s2' });
  }
  return format === 'v2s2' ? 'docker' : format;
}

/** The destination of a push without one: the registry that the name tells. */
function destinationOf(text: string, names: readonly string[]): string {
  const name = names.find((candidate) => localCandidates(text).includes(candidate)) ?? text;
  if (!name.startsWith('localhost/')) return `docker://${name}`;
  throw new BldError('E_USAGE', `${name} names no registry to push to`, {
    hint: `give a destination: bld push ${text} registry.example.com/NAME:TAG`,
  });
}

function writeDigest(path: string, digest: string | null): void {
  if (digest === null)
    throw new BldError('E_UNSUPPORTED', '--digestfile: this destination keeps no manifest');
  try {
    writeFileSync(path, digest);
  } catch (error) {
    throw explain(error, `writing ${path}`);
  }
}

export const handle: Handler<typeof spec.flags> = async (context, options, [text = '', destination]) => {
  const engine = await context.engine({ quiet: options.quiet, registry: options });
  const { store, environment, signal, progress } = engine;
  const format = formatOf(options.format);
  const how: PushOptions = {
    ...compressionOptions(options),
    registry: { ...engine.registry, uid: environment.uid, signal },
    onProgress: progress,
    ...(format && { format }),
  };
  const index = options.all ? findIndex(store, text) : null;
  const known = index ?? knownImage(store, text);
  const target = destination ?? destinationOf(text, known.names);
  const { digest } = index
    ? await pushIndex(store, index, target, how)
    : await pushImage(store, knownImage(store, text), target, how);
  if (options.digestfile !== undefined) writeDigest(options.digestfile, digest);
  if (options.rm && index) store.images.removeIndex(index.digest);
  return undefined;
};
