import type { Platform } from '../base/descriptor.ts';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import type { LayerCompression } from '../images/media-types.ts';
import { hostPlatform } from '../images/platform.ts';
import type { PullPolicy } from '../images/pull.ts';
import { pushImage } from '../images/push.ts';
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

export interface PushRequest {
  readonly format?: ImageFormat | undefined;
  readonly compression?: LayerCompression | undefined;
  /** Compress anew what is compressed in another way. */
  readonly force?: boolean | undefined;
}

/**
 * Writes an image of the store to `transport:details`, or to the registry of its name; gives the manifest's digest,
 * null where the destination keeps none. What was pulled goes out as the same bytes.
 */
export async function push(
  engine: Engine,
  image: string,
  destination: string = image,
  { format, compression, force }: PushRequest = {},
): Promise<Digest | null> {
  const record = findImage(engine.store, image, hostPlatform());
  if (!record)
    throw new BldError('E_NOT_FOUND', `${image}: image not known`, { hint: '`bld images` lists them' });
  const { digest } = await pushImage(engine.store, record, destination, {
    ...(format && { format }),
    ...(compression && { compression }),
    ...(force && { force }),
    registry: { ...engine.registry, uid: engine.environment.uid, signal: engine.signal },
    onProgress: engine.progress,
  });
  return digest;
}
