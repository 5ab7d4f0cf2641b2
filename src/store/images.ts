import { isDeepStrictEqual } from 'node:util';
import { type Digest, digestOf, isDigest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { withBallast } from './ballast.ts';
import type { BlobFiles } from './blob-files.ts';
import type { Context } from './context.ts';
import type { Key } from './durability.ts';
import { dropName, moveNames, readImage, readImages, writeImage, writeLayers } from './image-rows.ts';
import { makeIndexes } from './indexes.ts';
import { checkImageName, onlyOne, prefixRange } from './names.ts';
import type { Records } from './records.ts';
import { releaseImage } from './release.ts';
import type { ImageRecord, Images, LayerRef, LayerStore } from './types.ts';

export interface ImageParts {
  readonly files: BlobFiles;
  readonly layers: LayerStore;
  readonly records: Records;
}

const HEX_PREFIX = /^[0-9a-f]{3,64}$/;

/** True when to write the image would change nothing. */
function isAsBefore(
  { names: known, pastNames: _, ...before }: ImageRecord,
  image: Omit<ImageRecord, 'names' | 'pastNames'>,
  names: readonly string[],
): boolean {
  return names.every((name) => known.includes(name)) && isDeepStrictEqual({ ...before }, { ...image });
}

export function makeImages(context: Context, { files, layers: trees, records }: ImageParts): Images {
  const { root, db, durability, presence } = context;

  const existing = (id: Digest): ImageRecord => {
    const image = readImage(db, id);
    if (!image) throw new BldError('E_NOT_FOUND', `the image ${id} is not in the store`);
    return image;
  };

  /** E_STORE unless the store has every byte that the image needs; inside the transaction that makes it visible. */
  const demand = (documents: readonly Digest[], layers: readonly LayerRef[]) => {
    const missing =
      documents.find((digest) => files.size(digest) === null) ??
      layers.find(({ diffId, blob }) =>
        blob
          ? files.size(blob.digest) === null
          : trees.path(diffId) === null && trees.blobs(diffId).length === 0,
      )?.diffId;
    if (missing === undefined) return;
    throw new BldError('E_STORE', `${missing} was removed from the store while the image was being written`, {
      hint: 'run the command again',
    });
  };

  const keysOf = (documents: readonly Digest[], layers: readonly LayerRef[]): Key[] => [
    ...documents.map((digest): Key => `blob:${digest}`),
    ...layers.flatMap(({ diffId, blob }): Key[] => [
      `layer:${diffId}`,
      ...(blob ? [`blob:${blob.digest}` as Key] : []),
    ]),
  ];

  const storeDocument = (bytes: Buffer): Digest => {
    const digest = digestOf(bytes);
    if (!files.pin(digest)) files.write(bytes, digest);
    return digest;
  };

  const idsLike = (reference: string): string | undefined => {
    const range = prefixRange(`sha256:${reference}`);
    const rows = db.all<{ id: string }>('SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2', ...range);
    return onlyOne(rows, reference, 'image')?.id;
  };

  const resolve = (reference: string): string | null | undefined => {
    const named = db.get<{ image: string | null }>('SELECT image FROM names WHERE name = ?', reference);
    if (named) return named.image;
    const at = reference.lastIndexOf('@');
    const digest = reference.slice(at + 1);
    if (isDigest(digest)) {
      const sql =
        'SELECT id FROM images WHERE manifest_digest = ?1 UNION ALL SELECT id FROM images WHERE id = ?1';
      return db.get<{ id: string }>(sql, digest)?.id;
    }
    const hex = reference.replace(/^sha256:/, '');
    return HEX_PREFIX.test(hex) ? idsLike(hex) : undefined;
  };

  return {
    ...makeIndexes(context, files, records),

    find(reference) {
      const id = resolve(reference);
      return id == null ? null : readImage(db, id);
    },

    get: (id) => readImage(db, id),
    list: () => readImages(db),

    async add({ config, manifest, layers, names = [], created, intermediate = false, data = {} }) {
      for (const name of names) checkImageName(name);
      presence.id();
      const id = storeDocument(config);
      const described = manifest && {
        mediaType: manifest.mediaType,
        digest: storeDocument(manifest.bytes),
        size: manifest.bytes.length,
      };
      const documents = [id, ...(described ? [described.digest] : [])];
      const needs = keysOf(documents, layers);
      const added = (before: ImageRecord | null) => {
        const kept = described ?? before?.manifest;
        return {
          id,
          ...(kept && { manifest: kept }),
          created,
          layers: layers.map((layer, i) => ({ ...before?.layers[i], ...layer })),
          // A build's by-product that somebody asked for is one no more.
          intermediate: intermediate && (before?.intermediate ?? true),
          data: { ...before?.data, ...data },
        };
      };
      const there = db.transaction(() => {
        const before = readImage(db, id);
        if (!before || durability.isPending(needs) || !isAsBefore(before, added(before), names)) return null;
        demand(documents, layers);
        return before;
      });
      if (there) return there; // a build that made nothing new waits for no disk
      return durability.durably(needs, () => {
        demand(documents, layers);
        const image = added(readImage(db, id));
        writeImage(db, image);
        writeLayers(db, id, image.layers);
        records.refresh(moveNames(db, names, { image: id }));
        return existing(id);
      });
    },

    async setManifest(id, { mediaType, bytes }, layers) {
      presence.id();
      const digest = storeDocument(bytes);
      durability.durably(keysOf([digest], layers), () => {
        demand([digest], layers);
        const image = existing(id);
        writeImage(db, { ...image, manifest: { mediaType, digest, size: bytes.length } });
        writeLayers(
          db,
          id,
          layers.map((layer, i) => ({ ...image.layers[i], ...layer })),
        );
        records.refresh([id]);
      });
    },

    tag(id, names) {
      for (const name of names) checkImageName(name);
      db.transaction(
        () => {
          existing(id);
          records.refresh(moveNames(db, names, { image: id }));
        },
        { durable: true },
      );
    },

    untag(names) {
      const drop = () => {
        for (const name of names) {
          const loser = dropName(db, name);
          if (!loser) throw new BldError('E_NOT_FOUND', `no image has the name ${name}`);
          records.refresh([loser]);
        }
      };
      withBallast(root, () => db.transaction(drop, { durable: true }));
    },

    remove(id, force = false) {
      const self = presence.id();
      presence.clearDead();
      const drop = () => {
        existing(id);
        const container = db.get<{ name: string }>('SELECT name FROM containers WHERE image_id = ?', id);
        if (container && !force) {
          throw new BldError('E_IN_USE', `image is in use by a container: ${container.name}`, {
            hint: `remove it first (bld rm ${container.name}), or use --force`,
          });
        }
        const user = db.get<{ pid: number }>(
          'SELECT pid FROM leases JOIN processes ON processes.id = process WHERE key = ? AND process <> ?',
          ...[`image:${id}`, self],
        );
        if (user) throw new BldError('E_IN_USE', `image is in use by process ${user.pid}`);
        releaseImage(db, id);
        db.run('DELETE FROM images WHERE id = ?', id);
        records.refresh([id]);
      };
      withBallast(root, () => db.transaction(drop, { durable: true }));
    },
  };
}
