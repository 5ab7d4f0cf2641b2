import type { Digest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import { connect, type Repository } from '../../registry/client.ts';
import type { RegistryOptions } from '../../registry/config.ts';
import { hasProblem } from '../../registry/errors.ts';
import type { ImageSink, ImageSource } from '../copy.ts';
import { decodeManifest } from '../decode.ts';
import { MANIFEST_TYPES } from '../media-types.ts';
import { type Reference, repositoryName, tagOrDigest } from '../reference.ts';

export type { RegistryOptions };

/** Mounts tried for one blob before it is uploaded. */
const MOUNTS = 3;

function labelOf(reference: Reference): string {
  const mark = reference.digest === undefined ? ':' : '@';
  return `docker://${repositoryName(reference)}${mark}${tagOrDigest(reference)}`;
}

function repositoryOf(reference: Reference, options: RegistryOptions): Repository {
  return connect(reference.registry, reference.repository, options);
}

/** An image in a registry. */
export function registrySource(reference: Reference, options: RegistryOptions = {}): ImageSource {
  const repository = repositoryOf(reference, options);
  return {
    label: labelOf(reference),
    async manifest(digest?: Digest) {
      const {
        bytes,
        digest: found,
        mediaType: said,
      } = await repository.getManifest(digest ?? tagOrDigest(reference), MANIFEST_TYPES);
      const { mediaType } = decodeManifest(bytes, said, `manifest ${found}`);
      return { mediaType, bytes, digest: found };
    },
    open: (blob, offset) => repository.openBlob(blob, offset),
    async [Symbol.asyncDispose]() {},
  };
}

/** The digest that a reference names now, without fetching the manifest if the registry tells it; null when unknown there. */
export async function remoteDigest(
  reference: Reference,
  options: RegistryOptions = {},
): Promise<Digest | null> {
  const repository = repositoryOf(reference, options);
  const head = await repository.headManifest(tagOrDigest(reference), MANIFEST_TYPES);
  if (head?.digest) return head.digest;
  return (await repository.getManifest(tagOrDigest(reference), MANIFEST_TYPES)).digest;
}

/** All tags of a repository, checked to be tags. */
export function remoteTags(reference: Reference, options: RegistryOptions = {}): AsyncIterable<string> {
  return repositoryOf(reference, options).listTags();
}

/** A repository of a registry; the tag (or digest) of the reference is written last. */
export function registrySink(reference: Reference, options: RegistryOptions = {}): ImageSink {
  const repository = repositoryOf(reference, options);
  const prefix = `${reference.registry}/`;

  async function mounted(digest: Digest, origins: readonly string[]): Promise<boolean> {
    const names = origins
      .filter((origin) => origin.startsWith(prefix))
      .map((origin) => origin.slice(prefix.length))
      .filter((name) => name !== reference.repository);
    for (const name of names.slice(0, MOUNTS)) {
      if (await repository.mountBlob(digest, name)) return true;
    }
    return false;
  }

  return {
    label: labelOf(reference),
    verifies: false,
    has: async (blob) => (await repository.hasBlob(blob.digest)) !== null,
    async put({ descriptor, origins, insist, open, onBytes }) {
      if (!insist && (await mounted(descriptor.digest, origins))) return;
      let position = 0;
      await repository.uploadBlob(descriptor, open, (reached) => {
        onBytes(reached - position);
        position = reached;
      });
    },
    async putManifest({ raw }) {
      await repository.putManifest(raw.digest, raw.mediaType, raw.bytes);
    },
    async commit({ raw }) {
      if (reference.digest !== undefined && reference.digest !== raw.digest) {
        throw new BldError(
          'E_USAGE',
          `the image's digest is ${raw.digest}, it cannot be written as ${reference.digest}`,
          {
            hint: 'name a tag, or no tag at all',
          },
        );
      }
      await repository.putManifest(tagOrDigest(reference), raw.mediaType, raw.bytes);
    },
    lacksBlobs: (error) => hasProblem(error, 'MANIFEST_BLOB_UNKNOWN') || hasProblem(error, 'BLOB_UNKNOWN'),
    async [Symbol.asyncDispose]() {},
  };
}
