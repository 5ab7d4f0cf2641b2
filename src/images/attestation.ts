import { digestOf } from '../base/digest.ts';
import type { Store } from '../store/types.ts';
import { encodeManifest } from './build-image.ts';
import { encodeConfig } from './config.ts';
import { holdPassing } from './lists.ts';
import { OCI_CONFIG, OCI_MANIFEST } from './media-types.ts';
import type { Descriptor, ImageConfig, Manifest } from './types.ts';

/** An in-toto statement about an image, and the type of what it says. */
export interface Attestation {
  readonly statement: Buffer;
  readonly predicateType: string;
}

const STATEMENT = 'application/vnd.in-toto+json';

/**
 * Puts attestations of an image into the store, in the form that BuildKit gave them: a manifest whose layers are the
 * statements. What comes back is its entry for the index that has the image, whose manifest is `subject`.
 */
export async function addAttestations(
  store: Store,
  subject: Descriptor,
  attestations: readonly Attestation[],
): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  for (const { statement, predicateType } of attestations) {
    const { digest, size } = await store.blobs.put(statement, STATEMENT);
    layers.push({
      mediaType: STATEMENT,
      digest,
      size,
      annotations: { 'in-toto.io/predicate-type': predicateType },
    });
  }
  const image: ImageConfig = {
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  };
  const config = encodeConfig(image);
  const id = digestOf(config);
  const document: Manifest = {
    schemaVersion: 2,
    config: { mediaType: OCI_CONFIG, digest: id, size: config.length },
    layers,
  };
  const manifest = encodeManifest(document, OCI_MANIFEST);
  await holdPassing(store, id);
  await store.images.add({
    config,
    manifest,
    layers: layers.map((blob) => ({ diffId: blob.digest, blob })),
    created: 0,
    intermediate: true,
    data: { format: 'oci' },
  });
  return {
    mediaType: OCI_MANIFEST,
    digest: manifest.digest,
    size: manifest.bytes.length,
    annotations: {
      'vnd.docker.reference.digest': subject.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    },
    platform: { architecture: 'unknown', os: 'unknown' },
  };
}
