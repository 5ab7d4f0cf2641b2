import { closeSync, openSync } from 'node:fs';
import type { Descriptor } from '../base/descriptor.ts';
import { algorithmOf, type Digest, Hasher, parseDigest } from '../base/digest.ts';
import { BldError, isErrno } from '../base/errors.ts';
import type { BlobFiles } from './blob-files.ts';
import type { Context } from './context.ts';
import { REPAIR_HINT } from './database.ts';
import { hashFile } from './hashing-file.ts';
import { readImages } from './image-rows.ts';
import { readIndexes } from './indexes.ts';
import { layout } from './layout.ts';
import type { Records } from './records.ts';
import type { CheckOptions, Finding, ImageRecord, LayerStore } from './types.ts';

export interface CheckParts {
  readonly files: BlobFiles;
  readonly layers: LayerStore;
  readonly records: Records;
}

type Fault = Omit<Finding, 'repaired'>;

/** What is wrong with the file: `missing`, `damaged`, or null. */
export async function faultOfFile(
  path: string,
  digest: Digest,
  size?: number,
): Promise<'missing' | 'damaged' | null> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 'missing';
    throw error;
  }
  try {
    const hasher = new Hasher(algorithmOf(digest));
    await hashFile(fd, hasher);
    return hasher.digest() === digest && (size ?? hasher.size) === hasher.size ? null : 'damaged';
  } catch (error) {
    if (isErrno(error, 'EIO')) return 'damaged';
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Descriptors of all blobs that an image needs to be read. */
function needsOf(image: ImageRecord): Descriptor[] {
  const config = { mediaType: 'application/octet-stream', digest: image.id, size: 0 };
  return [
    config,
    ...(image.manifest ? [image.manifest] : []),
    ...image.layers.flatMap(({ blob }) => blob ?? []),
  ];
}

/** See `Store.check`. */
export async function check(
  context: Context,
  parts: CheckParts,
  options: CheckOptions = {},
): Promise<Finding[]> {
  const { root, db, staging, presence } = context;
  const { files, layers, records } = parts;
  const { repair = false, refetch, verifyLayer } = options;
  const findings: Finding[] = [];
  const report = (fault: Fault, mend?: () => void) => {
    if (repair && mend) db.transaction(mend);
    findings.push({ ...fault, repaired: repair && mend !== undefined });
  };

  if (db.get<{ quick_check: string }>('PRAGMA quick_check(1)')?.quick_check !== 'ok') {
    throw new BldError('E_STORE', `the store's index is damaged: ${layout.index(root)}`, {
      hint: REPAIR_HINT,
    });
  }
  if (repair) presence.id();

  const broken = new Set<Digest>();
  for (const row of db.all<{ digest: string; size: number }>('SELECT digest, size FROM blobs')) {
    const digest = parseDigest(row.digest);
    const fault = await faultOfFile(layout.blob(root, digest), digest, row.size);
    if (fault === null) continue;
    broken.add(digest);
    report({ kind: `${fault} blob`, subject: digest }, () => {
      db.run('DELETE FROM blobs WHERE digest = ?', digest);
      staging.discard(layout.blob(root, digest));
    });
  }

  for (const row of db.all<{ diff_id: string }>('SELECT diff_id FROM layers')) {
    const diffId = parseDigest(row.diff_id);
    const path = layers.path(diffId);
    if (path !== null && ((await verifyLayer?.(diffId, path)) ?? true)) continue;
    report({ kind: path === null ? 'missing layer' : 'damaged layer', subject: diffId }, () => {
      db.run('DELETE FROM layers WHERE diff_id = ?', diffId);
      staging.discard(layout.layer(root, diffId));
    });
  }
  staging.empty();

  const isWhole = (digest: Digest) => !broken.has(digest) && files.size(digest) !== null;
  /** True when the blob is there, if need be after fetching it again. */
  const restored = async (blob: Descriptor): Promise<boolean> => {
    if (isWhole(blob.digest)) return true;
    if (!repair || !refetch || !(await refetch(blob))) return false;
    broken.delete(blob.digest);
    return isWhole(blob.digest);
  };

  for (const image of readImages(db)) {
    const lost: Digest[] = [];
    for (const blob of needsOf(image)) if (!(await restored(blob))) lost.push(blob.digest);
    for (const { diffId, blob } of image.layers) {
      if (
        !blob &&
        layers.path(diffId) === null &&
        !layers.blobs(diffId).some(({ digest }) => isWhole(digest))
      ) {
        lost.push(diffId);
      }
    }
    if (lost.length === 0) continue;
    report({ kind: 'incomplete image', subject: image.id, names: image.names, lost }, () => {
      db.run('DELETE FROM images WHERE id = ?', image.id);
      records.refresh([image.id]);
    });
  }

  for (const { digest, mediaType, names } of readIndexes(db)) {
    if (await restored({ mediaType, digest, size: 0 })) continue;
    report({ kind: 'incomplete image', subject: digest, names, lost: [digest] }, () => {
      db.run('DELETE FROM indexes WHERE digest = ?', digest);
      records.refresh([digest]);
    });
  }

  const containers = 'SELECT id, name, layers FROM containers';
  for (const { id, name, layers: text } of db.all<{ id: string; name: string; layers: string }>(containers)) {
    const needed = JSON.parse(text) as Digest[];
    const lost = needed.filter((diffId) => layers.path(diffId) === null && layers.blobs(diffId).length === 0);
    // Not repaired: its own changes are still there, and only the person knows what they are worth.
    if (lost.length > 0) report({ kind: 'incomplete container', subject: id, names: [name], lost });
  }
  return findings;
}
