import { BldError } from '../../base/errors.ts';
import { parseLocation } from '../../images/location.ts';
import { type PullOptions, pullImage } from '../../images/pull.ts';
import { parseReference, repositoryName } from '../../images/reference.ts';
import { remoteTags } from '../../images/transports/registry.ts';
import { lines } from '../output.ts';
import { onePlatform } from '../platform-option.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './pull.ts';

function repositoryOf(text: string) {
  const location = parseLocation(text);
  if (location && location.transport !== 'docker') {
    throw new BldError('E_USAGE', '--all-tags is for images of a registry');
  }
  const reference = location ? location.reference : parseReference(text);
  if (reference.tag === undefined && reference.digest === undefined) return reference;
  throw new BldError('E_USAGE', `${text} has a tag or a digest, and --all-tags means all of them`);
}

export const handle: Handler<typeof spec.flags> = async (context, options, [text = '']) => {
  const { store, registry, progress, environment, signal } = await context.engine({
    quiet: options.quiet,
    registry: options,
  });
  const platform = onePlatform(options);
  const how: PullOptions = {
    policy: options.policy,
    registry: { ...registry, uid: environment.uid, signal },
    onProgress: progress,
    ...(platform && { platform }),
  };
  if (!options.allTags) return lines([(await pullImage(store, text, how)).id.slice(7)]);

  const reference = repositoryOf(text);
  const ids: string[] = [];
  for await (const tag of remoteTags(reference, how.registry)) {
    const image = await pullImage(store, `docker://${repositoryName(reference)}:${tag}`, how);
    ids.push(image.id.slice(7));
  }
  return lines([...new Set(ids)]);
};
