import { noProgress } from '../base/progress.ts';
import type { ImageRecord, LayerRef, Store } from '../store/types.ts';
import { createdOf, diffIdsFor } from './config.ts';
import { formatOf } from './convert.ts';
import { chooseImage, fetchNode, type ImageSource } from './copy.ts';
import { reading } from './copy-error.ts';
import { decodeConfig, type RawManifest } from './decode.ts';
import { namesFor, take, warnOfPlatform } from './fetch.ts';
import type { Lender } from './lent-layers.ts';
import { formatLocation, type Location } from './location.ts';
import { DOCKER_CONFIG, layerKind, OCI_CONFIG } from './media-types.ts';
import { hostPlatform } from './platform.ts';
import type { PullOptions } from './pull.ts';
import type { ImageData } from './record.ts';
import { repositoryName } from './reference.ts';
import { resolveSource } from './transports/resolve.ts';

/** An image of a registry of which only the documents are here: the store has no record of it. */
export interface Borrowed extends AsyncDisposable {
  /** As it would be in the store after a pull. */
  readonly image: ImageRecord;
  readonly lender: Lender;
  /** Makes it the store's own, with all its layers. */
  pull(): Promise<void>;
}

/** Reads an image's manifest and configuration, not its layers; null for one that has to be pulled to be understood. */
export async function borrowImage(
  store: Store,
  location: Extract<Location, { transport: 'docker' }>,
  options: PullOptions,
): Promise<Borrowed | null> {
  const { platform = hostPlatform(), registry, onProgress = noProgress } = options;
  const label = formatLocation(location);
  onProgress({ kind: 'message', text: `Reading ${label}` });
  const resolved = await resolveSource(location, { store, platform, ...(registry && { registry }) });
  await using kept = new AsyncDisposableStack();
  const source = remembering(kept.use(resolved.source));
  const top = await fetchNode(source, undefined);
  const node = (await chooseImage(source, top, platform)) ?? top;
  if (node.document.kind !== 'manifest') return null;
  const { config, layers } = node.document.manifest;
  const isImage = config.mediaType === OCI_CONFIG || config.mediaType === DOCKER_CONFIG;
  if (!isImage || layers.some(({ mediaType }) => layerKind(mediaType)?.foreign !== false)) return null;

  await store.blobs.ingest(config, (offset) => reading(label, () => source.open(config, offset)));
  const { mediaType, bytes, digest } = node.raw;
  const manifest = await store.blobs.put(bytes, mediaType);
  const document = decodeConfig(store.blobs.read(config.digest), `config ${config.digest}`);
  const diffIds = diffIdsFor(document, layers.length, `manifest ${digest}`);
  const refs = diffIds.map((diffId, at): LayerRef => ({ diffId, ...(layers[at] && { blob: layers[at] }) }));
  const origin = repositoryName(location.reference);
  const data: ImageData = { source: label, format: formatOf(mediaType) };
  const image: ImageRecord = {
    id: config.digest,
    manifest,
    created: createdOf(document),
    layers: refs,
    names: namesFor(store, resolved.names, options),
    pastNames: [],
    intermediate: false,
    data: { ...data },
  };
  warnOfPlatform(store, image, options.platform);
  const held = kept.move();
  return {
    image,
    lender: {
      source,
      origin,
      layers: new Map(refs.flatMap(({ diffId, blob }) => (blob ? [[diffId, blob] as const] : []))),
    },
    pull: async () => {
      await take(store, { ...resolved, source }, location, options);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** The same, with each manifest read once: what a tag names does not change under way. */
function remembering(source: ImageSource): ImageSource {
  const known = new Map<string, Promise<RawManifest>>();
  return {
    ...source,
    manifest(digest) {
      const key = digest ?? '';
      const found = known.get(key) ?? source.manifest(digest);
      known.set(key, found);
      return found;
    },
  };
}
