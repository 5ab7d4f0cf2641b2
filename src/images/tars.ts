import { Readable } from 'node:stream';
import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { noProgress, type Progress } from '../base/progress.ts';
import { readAll, verified, verifying } from '../base/streams.ts';
import { decompressed } from '../layers/decompress.ts';
import { diffIdsFor } from './config.ts';
import { chooseImage, fetchNode, type ImageSource } from './copy.ts';
import { reading, sided, writing } from './copy-error.ts';
import { decodeConfig } from './decode.ts';
import { MAX_DOCUMENT } from './json.ts';
import { hostPlatform } from './platform.ts';
import type { Descriptor, Platform } from './types.ts';

/** A layer as the tar that its diffID names. `size` in bytes, when it is known without reading. */
export interface TarLayer {
  readonly diffId: Digest;
  readonly size: number | undefined;
  /** Verified against the diffID. May be called again. */
  open(): Promise<Readable>;
}

/** An image as `docker save` has it: configuration and uncompressed layers, no manifest. Bottom first. */
export interface TarImage {
  readonly config: Buffer;
  readonly layers: readonly TarLayer[];
}

/** Where images go as plain tars: Docker's archives and its engine. */
export interface TarSink extends AsyncDisposable {
  readonly label: string;
  /** Writes the one image, its names included. Nothing is visible before all is there. */
  write(image: TarImage): Promise<void>;
}

export interface CopyTarsOptions {
  /** Of an index: the image for this platform; the machine's own when absent. */
  readonly platform?: Platform;
  readonly onProgress?: Progress;
}

/** Copies an image to a place that takes no manifests. Failures are `CopyError`s. */
export async function copyTars(
  source: ImageSource,
  sink: TarSink,
  { platform = hostPlatform(), onProgress = noProgress }: CopyTarsOptions = {},
): Promise<void> {
  const image = await reading(source.label, () => source.tars?.() ?? tarsOf(source, platform));
  const layers = image.layers.map((layer): TarLayer => {
    const { diffId: id, size } = layer;
    const open = () =>
      reading(source.label, async () => {
        onProgress({
          kind: 'start',
          id,
          label: `Copying layer ${id}`,
          ...(size !== undefined && { total: size }),
        });
        return told(sided(await layer.open(), source.label), id, onProgress);
      });
    return { diffId: id, size, open };
  });
  await writing(sink.label, () => sink.write({ config: image.config, layers }));
}

function told(stream: Readable, id: Digest, onProgress: Progress): Readable {
  async function* chunks() {
    for await (const chunk of stream) {
      onProgress({ kind: 'advance', id, bytes: (chunk as Buffer).length });
      yield chunk as Buffer;
    }
    onProgress({ kind: 'end', id });
  }
  return Readable.from(chunks(), { objectMode: false });
}

/** The tars behind a manifest's blobs. */
async function tarsOf(source: ImageSource, platform: Platform): Promise<TarImage> {
  const top = await fetchNode(source, undefined);
  const { document, raw } = (await chooseImage(source, top, platform)) ?? top;
  if (document.kind !== 'manifest') throw new Error('internal: an index where an image was chosen');
  const { config, layers } = document.manifest;
  const what = `config ${config.digest}`;
  const bytes = await readAll(verified(await source.open(config, 0), config, what), MAX_DOCUMENT, what);
  const diffIds = diffIdsFor(decodeConfig(bytes, what), layers.length, `manifest ${raw.digest}`);
  return {
    config: bytes,
    layers: layers.flatMap((blob, index) => {
      const diffId = diffIds[index];
      return diffId ? [tarLayer(diffId, undefined, blob, source)] : [];
    }),
  };
}

/** The layer's tar out of its blob, whatever that is compressed with. */
export function tarLayer(
  diffId: Digest,
  size: number | undefined,
  blob: Descriptor,
  source: Pick<ImageSource, 'open'>,
): TarLayer {
  return {
    diffId,
    size,
    async open() {
      if ((blob.urls?.length ?? 0) > 0) {
        throw new BldError(
          'E_UNSUPPORTED',
          `the layer ${blob.digest} lies elsewhere (${blob.urls?.[0]}) and was not fetched`,
        );
      }
      const bytes = verifying(await source.open(blob, 0), blob, `blob ${blob.digest}`);
      const tar = verifying(decompressed(bytes), { digest: diffId }, `layer ${diffId}`);
      return Readable.from(tar, { objectMode: false });
    },
  };
}
