import type { Store } from '../store/types.ts';
import { platformOf } from './config.ts';
import { fetchNode } from './copy.ts';
import { findList, readList } from './lists.ts';
import { formatLocation, parseDestination } from './location.ts';
import { isAttestation, normalisePlatform } from './platform.ts';
import { type PullOptions, pullImage } from './pull.ts';
import { imageConfig } from './record.ts';
import { resolveSource } from './transports/resolve.ts';
import type { Index, Platform } from './types.ts';

/** The platforms that an image can be had for: those of its index, in the store or at the registry, else its own. */
export async function offeredPlatforms(
  store: Store,
  text: string,
  options: PullOptions,
): Promise<readonly Platform[]> {
  const list = findList(store, text);
  if (list) return platformsIn(readList(store, list));
  const location = parseDestination(text);
  const { registry, policy } = options;
  if (location.transport === 'docker' && policy !== 'never' && !text.startsWith('localhost/')) {
    const { source } = await resolveSource(location, { store, ...(registry && { registry }) });
    await using _ = source;
    const { document } = await fetchNode(source, undefined);
    if (document.kind === 'index') return platformsIn(document.index);
  }
  const name = location.transport === 'docker' ? text : formatLocation(location);
  return [platformOf(imageConfig(store, await pullImage(store, name, options)))];
}

function platformsIn(index: Index): readonly Platform[] {
  const images = index.manifests.filter((entry) => !isAttestation(entry));
  return images.flatMap(({ platform }) => (platform ? [normalisePlatform(platform)] : []));
}
