import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BldError, isErrno } from '../../base/errors.ts';
import { makeDirectories, writeFileAtomic } from '../../base/fs.ts';
import { aloneOn } from '../../store/directory-lock.ts';
import { encodeManifest } from '../build-image.ts';
import type { ImageSink, ManifestNode } from '../copy.ts';
import type { Location, Selector } from '../location.ts';
import { formatLocation } from '../location.ts';
import { OCI_INDEX } from '../media-types.ts';
import type { Descriptor, Index } from '../types.ts';
import { directoryTree, writeStream } from './files.ts';
import {
  blobPath,
  entryName,
  type LayoutSource,
  layoutSource,
  REF_NAME,
  readLayoutIndex,
} from './layout-source.ts';

export const LAYOUT_MARKER = '{"imageLayoutVersion":"1.0.0"}';

/** An image of the OCI layout in a directory. */
export function ociSource(
  location: Extract<Location, { path: string }>,
  selector?: Selector,
): Promise<LayoutSource> {
  const label = formatLocation(location);
  return layoutSource(directoryTree(location.path, label), label, selector);
}

/** The layout's index with the image under its name: what had the name before is out of it. */
function withEntry(index: Index, entry: Descriptor): Index {
  const name = entryName(entry);
  const unnamed = index.manifests.filter((other) => entryName(other) === undefined);
  const kept = index.manifests.filter((other) => {
    if (name !== undefined) return entryName(other) !== name;
    // a lone image without a name is the one that `oci:DIR` means; of several, nobody knows which
    return entryName(other) !== undefined || (unnamed.length > 1 && other.digest !== entry.digest);
  });
  return { ...index, manifests: [...kept, entry] };
}

/** The index entry of an image that goes into a layout. */
export function layoutEntry({ raw }: ManifestNode, name: string | undefined): Descriptor {
  const { mediaType, digest, bytes } = raw;
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(name !== undefined && { annotations: { [REF_NAME]: name } }),
  };
}

/**
 * Writes into the OCI layout in a directory, making it when needed. Other images of the layout stay; the name moves
 * with one rename of `index.json`. E_EXISTS for a directory with anything else in it.
 */
export function ociSink(path: string, name: string | undefined, label: string): ImageSink {
  const tree = directoryTree(path, label);
  const found = existsSync(path) ? readdirSync(path) : [];
  if (found.length > 0 && !found.includes('oci-layout') && !found.includes('blobs')) {
    throw new BldError('E_EXISTS', `${path} is not empty and is no OCI layout`, {
      hint: 'name a new directory',
    });
  }
  makeDirectories(join(path, 'blobs', 'sha256'), 0o755);

  async function has(blob: Descriptor): Promise<boolean> {
    return (await tree.size(blobPath(blob.digest))) === blob.size;
  }
  async function putManifest({ raw }: ManifestNode): Promise<void> {
    const { digest, bytes, mediaType } = raw;
    if (await has({ digest, size: bytes.length, mediaType })) return;
    await writeStream(join(path, blobPath(digest)), bytesOf(bytes));
  }
  return {
    label,
    verifies: false,
    has,
    async put(blob) {
      const target = join(path, blobPath(blob.descriptor.digest));
      if (blob.descriptor.digest.startsWith('sha512:')) makeDirectories(join(path, 'blobs', 'sha512'));
      await writeStream(target, counted(await blob.open(0), blob.onBytes));
    },
    putManifest,
    async commit(root) {
      await putManifest(root);
      if (!readMarker(path)) writeFileAtomic(join(path, 'oci-layout'), LAYOUT_MARKER, 0o644);
      const entry = layoutEntry(root, name);
      await aloneOn(path, async () => {
        const index =
          (await tree.size('index.json')) === null ? emptyIndex() : await readLayoutIndex(tree, label);
        writeFileAtomic(
          join(path, 'index.json'),
          encodeManifest(withEntry(index, entry), OCI_INDEX).bytes,
          0o644,
        );
      });
    },
    async [Symbol.asyncDispose]() {},
  };
}

function emptyIndex(): Index {
  return { schemaVersion: 2, manifests: [] };
}

function readMarker(path: string): boolean {
  try {
    return readFileSync(join(path, 'oci-layout')).length > 0;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** The chunks; each one's size is told as it passes. */
export async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}

async function* bytesOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
