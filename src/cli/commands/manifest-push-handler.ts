import { knownList } from '../../builder/lists.ts';
import { pushIndex } from '../../images/push.ts';
import { destinationOf, writeDigest } from '../push-words.ts';
import { removeNamedList } from '../remove-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-push.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [text = '', destination]) => {
  const engine = await context.engine({ quiet: options.quiet, registry: options });
  const { store, environment, signal, progress } = engine;
  const { record } = knownList(engine, text);
  const format = options.format === 'v2s2' ? 'docker' : options.format;
  const { digest } = await pushIndex(store, record, destination ?? destinationOf(text, record.names), {
    registry: { ...engine.registry, uid: environment.uid, signal },
    onProgress: progress,
    images: options.all,
    ...(format && { format }),
  });
  if (options.digestfile !== undefined) writeDigest(options.digestfile, digest);
  if (options.rm) await removeNamedList(store, record, { text });
  return undefined;
};
