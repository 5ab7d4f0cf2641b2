import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { Progress } from '../base/progress.ts';
import type { ImageRecord, Store } from '../store/types.ts';
import { platformOf } from './config.ts';
import { type Location, parseLocation } from './location.ts';
import { formatPlatform, hostPlatform, platformMatch } from './platform.ts';
import { findImage, imageConfig, imageData } from './record.ts';
import { isImageId, localCandidates, parseReference, type Reference } from './reference.ts';
import type { RegistryOptions } from './transports/registry.ts';
import type { Platform } from './types.ts';

/** `missing`: only what the store lacks; `newer`: when the registry has another; `never`: no connection at all. */
export type PullPolicy = 'always' | 'missing' | 'newer' | 'never';

export interface PullOptions {
  /** `missing` when absent. */
  readonly policy?: PullPolicy;
  /** The machine's own when absent. */
  readonly platform?: Platform;
  readonly registry?: RegistryOptions;
  /** An image that is not for this machine leaves a name to the one that is: a build for many platforms takes no names away. */
  readonly aside?: boolean;
  /** Asked for an image of a registry before it is pulled: one that it gives stays where it is. */
  readonly borrow?: (location: RegistryLocation, options: PullOptions) => Promise<ImageRecord | null>;
  readonly onProgress?: Progress;
}

type RegistryLocation = Extract<Location, { transport: 'docker' }>;

/**
 * The image in the store, fetched when the policy asks for it: a name (unqualified ones are looked for as
 * `localhost/NAME` and then in Docker's registry), an id, or `transport:details`. Layers stay packed. E_NOT_FOUND.
 */
export async function pullImage(store: Store, text: string, options: PullOptions = {}): Promise<ImageRecord> {
  const { policy = 'missing', platform = hostPlatform() } = options;
  const location = parseLocation(text);
  if (location?.transport === 'containers-storage')
    return known(findImage(store, location.name, platform), text);
  if (location !== null && location.transport !== 'docker') return fetched(store, location, options);

  const name = location === null ? text : text.slice('docker://'.length);
  const named = findImage(store, name, platform);
  const local = options.platform && named ? (siblingFor(store, named, platform) ?? named) : named;
  const reference = remoteReference(name, named);
  const serves = local !== null && (options.platform === undefined || servesPlatform(store, local, platform));
  if (local !== null && !serves && (reference === null || policy === 'never')) {
    throw new BldError('E_NOT_FOUND', `${text} in the store is not for ${formatPlatform(platform)}`);
  }
  if (reference === null || policy === 'never') return known(local, text);
  if (local !== null && serves && !(await isOutdated(local, reference, options))) return local;
  const remote = { transport: 'docker', reference } as const;
  return (await options.borrow?.(remote, options)) ?? fetched(store, remote, options);
}

/** Transports and HTTP: nothing to load for an image that is here. */
async function fetched(store: Store, location: Location, options: PullOptions): Promise<ImageRecord> {
  const { fetchImage } = await import('./fetch.ts');
  return fetchImage(store, location, options);
}

function known(image: ImageRecord | null, text: string): ImageRecord {
  if (image) return image;
  throw new BldError('E_NOT_FOUND', `${text}: image not known`, {
    ...(text.startsWith('localhost/') && {
      hint: 'localhost/ names images of the store; a registry on this machine needs its port: localhost:5000/NAME',
    }),
  });
}

/** The image for this platform that came out of the same index as the one that has the name. */
function siblingFor(store: Store, named: ImageRecord, platform: Platform): ImageRecord | undefined {
  const index = imageData(named).index?.digest;
  if (index === undefined || servesPlatform(store, named, platform)) return undefined;
  const wanted = formatPlatform(platform);
  return store.images
    .list()
    .filter((other) => imageData(other).index?.digest === index)
    .find((other) => formatPlatform(platformOf(imageConfig(store, other))) === wanted);
}

export function servesPlatform(store: Store, image: ImageRecord, platform: Platform): boolean {
  return platformMatch(platform, platformOf(imageConfig(store, image))) >= 0;
}

/** What a registry may be asked for; null for ids and for `localhost/NAME`, which live in the store alone. */
function remoteReference(name: string, local: ImageRecord | null): Reference | null {
  if (isImageId(name) && hexLength(name) === 64) return null;
  const found = localCandidates(name).find((candidate) => local?.names.includes(candidate));
  if (name.startsWith('localhost/') || found?.startsWith('localhost/')) return null;
  // found, but under none of the names that the text could mean: it is the beginning of an id
  if (local !== null && found === undefined && isImageId(name)) return null;
  return parseReference(name);
}

function hexLength(id: string): number {
  return id.replace(/^sha256:/, '').length;
}

async function isOutdated(local: ImageRecord, reference: Reference, options: PullOptions): Promise<boolean> {
  const { policy = 'missing', registry } = options;
  // what a digest names never changes
  if (reference.digest !== undefined || policy === 'missing' || policy === 'never') return false;
  if (policy === 'always') return true;
  try {
    const { remoteDigest } = await import('./transports/registry.ts');
    const digest = await remoteDigest(reference, registry);
    return digest !== local.manifest?.digest && digest !== imageData(local).index?.digest;
  } catch (error) {
    if (!(error instanceof BldError)) throw error;
    log.warn(`using the local image, for its registry cannot be asked for a newer one: ${error.message}`);
    return false;
  }
}
