import type { Digest } from '../base/digest.ts';
import { log } from '../base/log.ts';
import { convertIndex, convertManifest, formatOf } from './convert.ts';
import { fetchNode, type ImageSource, type ManifestNode } from './copy.ts';
import type { RawManifest } from './decode.ts';
import type { ImageFormat } from './media-types.ts';
import { isAttestation } from './platform.ts';
import type { Descriptor, Index } from './types.ts';

/** The same image or index in the given format: manifests are made anew where they are of the other, blobs never. */
export function convertedSource(source: ImageSource, format: ImageFormat): ImageSource {
  const known = new Map<Digest, RawManifest>();

  async function convert(node: ManifestNode): Promise<RawManifest> {
    const { raw, document } = node;
    if (document.kind === 'manifest') {
      return formatOf(raw.mediaType) === format ? raw : convertManifest(document.manifest, format);
    }
    const children = new Map<string, RawManifest>();
    for (const entry of document.index.manifests) {
      // what stands beside the images, such as attestations, has no other form
      if (isAttestation(entry)) continue;
      const child = await convert(await fetchNode(source, entry));
      known.set(child.digest, child);
      children.set(entry.digest, child);
    }
    const changed = [...children].some(([old, { digest }]) => old !== digest);
    return changed || formatOf(raw.mediaType) !== format
      ? convertIndex(withoutStale(document.index, children), format, children)
      : raw;
  }

  let root: Promise<RawManifest> | undefined;
  return {
    label: source.label,
    async manifest(digest) {
      root ??= fetchNode(source, undefined).then(convert);
      const top = await root;
      if (digest === undefined || digest === top.digest) return top;
      return known.get(digest) ?? source.manifest(digest);
    },
    open: (blob, offset) => source.open(blob, offset),
    ...(source.origins && { origins: source.origins }),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** The index without attestations of images that became others: they attest the old ones alone. */
function withoutStale(index: Index, children: ReadonlyMap<string, RawManifest>): Index {
  const isStale = (entry: Descriptor): boolean => {
    const about = entry.annotations?.['vnd.docker.reference.digest'];
    const image = about === undefined ? undefined : children.get(about);
    return isAttestation(entry) && image !== undefined && image.digest !== about;
  };
  const manifests = index.manifests.filter((entry) => !isStale(entry));
  if (manifests.length < index.manifests.length) {
    log.warn('attestations are left out: they are about the images in their own format');
  }
  return { ...index, manifests };
}
