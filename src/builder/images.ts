import type { Descriptor, Platform } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { listEntry } from '../images/list-entry.ts';
import { findList } from '../images/lists.ts';
import type { Location } from '../images/location.ts';
import type { LayerCompression } from '../images/media-types.ts';
import { hostPlatform } from '../images/platform.ts';
import type { PullPolicy } from '../images/pull.ts';
import { pushImage, pushIndex } from '../images/push.ts';
import { findImage } from '../images/record.ts';
import type { ImageRecord } from '../store/types.ts';
import type { Engine } from './engine.ts';
import { obtainImage } from './from.ts';
import type { ImageFormat } from './state.ts';

export interface PullRequest {
  /** `always` when absent. */
  readonly pull?: PullPolicy | undefined;
  readonly platform?: Platform | undefined;
}

/** Fetches an image into the store: a name or `transport:details`. */
export async function pull(engine: Engine, image: string, request: PullRequest = {}): Promise<ImageRecord> {
  return obtainImage(engine, image, { pull: request.pull ?? 'always', platform: request.platform });
}

/** What the manifest that is written has to be; what is absent is the image's own, or the destination's choice. */
export interface PushRequest {
  readonly format?: ImageFormat;
  readonly compression?: LayerCompression;
  readonly level?: number;
  /** Compress anew what is compressed in another way. */
  readonly force?: boolean;
}

/**
 * Writes an image of the store to `transport:details`, or to the registry of its name; gives the manifest's digest,
 * null where the destination keeps none. What was pulled goes out as the same bytes. A list goes with all its images.
 */
export async function push(
  engine: Engine,
  image: string,
  destination: string = image,
  request: PushRequest = {},
): Promise<Digest | null> {
  return (await pushed(engine, image, destination, request))?.digest ?? null;
}

/** As `push`; what the manifest is. */
export async function pushed(
  engine: Engine,
  image: string,
  destination: string | Location,
  request: PushRequest,
): Promise<Descriptor | null> {
  const { store } = engine;
  const options = {
    ...request,
    registry: { ...engine.registry, uid: engine.environment.uid, signal: engine.signal },
    onProgress: engine.progress,
  };
  const list = findList(store, image);
  if (list) return (await pushIndex(store, list, destination, options)).descriptor;
  const record = findImage(store, image, hostPlatform());
  if (!record)
    throw new BldError('E_NOT_FOUND', `${image}: image not known`, { hint: '`bld images` lists them' });
  return (await pushImage(store, record, destination, options)).descriptor;
}

/** The manifest of an image, made when there is none yet, or the index, that has this id. */
export async function describe(engine: Engine, id: Digest, request: PushRequest = {}): Promise<Descriptor> {
  const { store, progress } = engine;
  const list = store.images.findIndex(id);
  if (list) {
    const { mediaType, digest } = list;
    return { mediaType, digest, size: store.blobs.read(digest).length };
  }
  const image = store.images.get(id);
  if (!image) throw new BldError('E_NOT_FOUND', `${id}: image not known`);
  const { platform: _, ...entry } = await listEntry(store, image, { ...request, onProgress: progress });
  return entry;
}
