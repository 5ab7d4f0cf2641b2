import { BldError } from '../../base/errors.ts';
import { findList } from '../../images/lists.ts';
import { type PushOptions, pushImage, pushIndex } from '../../images/push.ts';
import { compressionOptions } from '../compression-options.ts';
import { knownImage } from '../find-image.ts';
import { destinationOf, writeDigest } from '../push-words.ts';
import { removeNamedList } from '../remove-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './push.ts';

function formatOf(format: 'oci' | 'v2s1' | 'v2s2' | 'docker' | undefined): PushOptions['format'] {
  if (format === 'v2s1') {
    throw new BldError('E_UNSUPPORTED', 'manifests of schema 1 are not written', { hint: 'use oci or v2s2' });
  }
  return format === 'v2s2' ? 'docker' : format;
}

/** True for destinations that take one image: of a list, that for this machine. */
function isForOne(destination: string | undefined): boolean {
  return destination !== undefined && /^docker-(?:archive|daemon):/.test(destination);
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
  const index = isForOne(destination) ? null : findList(store, text);
  const known = index ?? knownImage(store, text);
  const target = destination ?? destinationOf(text, known.names);
  const { digest } = index
    ? await pushIndex(store, index, target, how)
    : await pushImage(store, knownImage(store, text), target, how);
  if (options.digestfile !== undefined) writeDigest(options.digestfile, digest);
  if (options.rm && index) await removeNamedList(store, index, { text });
  return undefined;
};
