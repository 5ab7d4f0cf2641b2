import { log } from '../base/log.ts';
import { noProgress } from '../base/progress.ts';
import type { ImageRecord, Store } from '../store/types.ts';
import { platformOf } from './config.ts';
import { copyImage } from './copy.ts';
import { formatLocation, type Location } from './location.ts';
import { formatPlatform, hostPlatform, platformMatch } from './platform.ts';
import { type PullOptions, servesPlatform } from './pull.ts';
import { imageConfig } from './record.ts';
import { repositoryName } from './reference.ts';
import { type ResolvedSource, resolveSource } from './transports/resolve.ts';
import { storeSink } from './transports/store.ts';
import type { Platform } from './types.ts';

/** Copies the image in, from wherever it is. */
export async function fetchImage(
  store: Store,
  location: Location,
  options: PullOptions,
): Promise<ImageRecord> {
  const { platform = hostPlatform(), registry, onProgress = noProgress } = options;
  const label = formatLocation(location);
  onProgress({ kind: 'message', text: `Trying to pull ${label}` });
  const resolved = await resolveSource(location, { store, platform, ...(registry && { registry }) });
  await using _ = resolved.source;
  return await take(store, resolved, location, options);
}

/** Copies an opened image in, and gives it its names. */
export async function take(
  store: Store,
  resolved: ResolvedSource,
  location: Location,
  options: PullOptions,
): Promise<ImageRecord> {
  const { platform = hostPlatform(), onProgress = noProgress } = options;
  const { source } = resolved;
  const label = formatLocation(location);
  const origin = location.transport === 'docker' ? repositoryName(location.reference) : undefined;
  // one at a time: whose name it is depends on what is there
  using _ = options.aside
    ? await store.leases.hold(`name:${resolved.names[0] ?? label}`, 'exclusive')
    : undefined;
  const names = namesFor(store, resolved.names, options);
  await using sink = storeSink(store, {
    names,
    intermediate: names.length < resolved.names.length,
    withoutManifest: resolved.withoutManifest,
    data: { source: label },
    ...(origin !== undefined && { origin }),
  });
  const before = origin === undefined ? resolved.names.map((name) => store.images.find(name)) : [];
  await copyImage(source, sink, { select: platform, onProgress });
  const image = sink.image();
  if (!image) throw new Error('internal: the copy added no image');
  // an archive brings its own names: taking them from other images is said
  for (const [at, old] of before.entries()) {
    if (old && old.id !== image.id)
      log.warn(`${resolved.names[at]} was image ${old.id} and is now ${image.id}`);
  }
  warnOfPlatform(store, image, options.platform);
  return image;
}

/** The names that an image gets of those that it has where it comes from: none when it stands aside. */
export function namesFor(
  store: Store,
  names: readonly string[],
  { aside = false, platform = hostPlatform() }: PullOptions,
): readonly string[] {
  return aside && standsAside(store, names, platform) ? [] : names;
}

/** True when the names stand for images of this machine, and the platform is another. */
function standsAside(store: Store, names: readonly string[], platform: Platform): boolean {
  const host = hostPlatform();
  if (platformMatch(host, platform) >= 0) return false;
  return names.some((name) => {
    const image = store.images.find(name);
    return image !== null && servesPlatform(store, image, host);
  });
}

/** An image that is no choice of an index may be for any machine: said, never silently used (A54). */
export function warnOfPlatform(store: Store, image: ImageRecord, wanted: Platform | undefined): void {
  const platform = wanted ?? hostPlatform();
  const has = platformOf(imageConfig(store, image));
  if (has.architecture === '' || platformMatch(platform, has) >= 0) return;
  const name = image.names[0] ?? image.id;
  log.warn(`${name} is for ${formatPlatform(has)}, not for ${formatPlatform(platform)}`);
}
