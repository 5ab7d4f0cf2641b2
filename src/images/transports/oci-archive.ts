import type { Digest } from '../../base/digest.ts';
import { encodeManifest } from '../build-image.ts';
import type { ImageSink } from '../copy.ts';
import { formatLocation, type Location } from '../location.ts';
import { OCI_INDEX } from '../media-types.ts';
import { archiveWriter, fileTarget } from './archive-writer.ts';
import { blobPath, type LayoutSource, layoutSource } from './layout-source.ts';
import { LAYOUT_MARKER, layoutEntry } from './oci.ts';
import { openTarTree, type Scratch } from './tar-tree.ts';

type OciArchive = Extract<Location, { path: string }>;

/** An image of an OCI layout in a tar, which may be compressed. */
export async function ociArchiveSource(
  location: OciArchive & { readonly select?: Parameters<typeof layoutSource>[2] },
  scratch: Scratch,
): Promise<LayoutSource> {
  const label = formatLocation(location);
  return layoutSource(await openTarTree(location.path, label, scratch), label, location.select);
}

/** Writes an OCI layout as a tar in one pass: each blob goes straight to its place in the file. */
export async function ociArchiveSink(
  path: string,
  name: string | undefined,
  label: string,
): Promise<ImageSink> {
  const writer = archiveWriter(await fileTarget(path));
  const written = new Set<Digest>();
  await writer.file('oci-layout', Buffer.from(LAYOUT_MARKER));
  await writer.directory('blobs');
  await writer.directory('blobs/sha256');

  return {
    label,
    verifies: false,
    serial: true,
    has: async (blob) => written.has(blob.digest),
    async put({ descriptor, open, onBytes }) {
      await writer.stream(blobPath(descriptor.digest), descriptor.size, () => open(0));
      written.add(descriptor.digest);
      onBytes(descriptor.size);
    },
    async putManifest({ raw }) {
      await writer.file(blobPath(raw.digest), raw.bytes);
    },
    async commit(root) {
      await writer.file(blobPath(root.raw.digest), root.raw.bytes);
      const index = { schemaVersion: 2, manifests: [layoutEntry(root, name)] } as const;
      await writer.file('index.json', encodeManifest(index, OCI_INDEX).bytes);
      await writer.finish();
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
