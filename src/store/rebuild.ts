import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { sys } from '../native/sys.ts';
import { currentBoot } from './boot.ts';
import { faultOfFile } from './check.ts';
import { writeContainer } from './container-rows.ts';
import { createIndex } from './create-index.ts';
import type { Database } from './database.ts';
import { moveNames, writeImage, writeLayers } from './image-rows.ts';
import { kindOf } from './kind.ts';
import { checkRoot, layout } from './layout.ts';
import { checkContainerName } from './names.ts';
import type { ContainerRecord, ImageRecord, IndexRecord, StoreKind, StoreOptions } from './types.ts';

/** What was found again. `damaged` blobs were removed; images and lists that need one are `lost`. */
export interface Rebuilt {
  readonly images: number;
  readonly containers: number;
  readonly layers: number;
  readonly blobs: number;
  readonly damaged: readonly Digest[];
  readonly lost: readonly string[];
}

/** The parsed file, or undefined when it is torn: then what it told is lost. */
function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** E_IN_USE while another process writes to the store: it would go on with the old index. */
function refuseWriters(root: string): void {
  for (const name of readdirSync(layout.leases(root))) {
    const fd = openSync(layout.presence(root, name), 'r');
    const dead = sys().tryLock(fd, 'exclusive');
    closeSync(fd);
    if (!dead) throw new BldError('E_IN_USE', `another bld process is working on the store ${root}`);
    rmSync(layout.presence(root, name), { force: true });
  }
}

interface FoundBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly created: number;
}

/** All blobs whose bytes are right; the others are removed. */
async function findBlobs(root: string): Promise<{ blobs: FoundBlob[]; damaged: Digest[] }> {
  const damaged: Digest[] = [];
  const blobs: FoundBlob[] = [];
  for (const algorithm of ['sha256', 'sha512'] as const) {
    for (const name of readdirSync(layout.blobs(root, algorithm))) {
      const digest = `${algorithm}:${name}`;
      const path = join(layout.blobs(root, algorithm), name);
      if (!isDigest(digest)) continue; // `collect` sweeps it
      if ((await faultOfFile(path, digest)) === null) {
        const { size, mtimeMs } = statSync(path);
        blobs.push({ digest, size, created: Math.floor(mtimeMs) });
      } else {
        damaged.push(digest);
        rmSync(path);
      }
    }
  }
  return { blobs, damaged };
}

/** Unpacked layers are taken as they are: a directory gets its name only when it is complete. */
function adoptLayers(db: Database, root: string): number {
  let count = 0;
  for (const name of readdirSync(layout.layers(root))) {
    const diffId = `${name.length === 128 ? 'sha512' : 'sha256'}:${name}`;
    if (!isDigest(diffId) || !existsSync(join(layout.layer(root, diffId), 'diff'))) continue;
    const created = Math.floor(statSync(layout.layer(root, diffId)).mtimeMs);
    db.run('INSERT INTO layers VALUES (?, 0, ?)', diffId, created);
    count++;
  }
  return count;
}

function adoptRecords(db: Database, root: string): { images: number; lost: string[] } {
  const lost: string[] = [];
  let images = 0;
  const has = (digest: Digest) => db.get('SELECT 1 FROM blobs WHERE digest = ?', digest) !== undefined;
  const unpacked = (diffId: Digest) => db.get('SELECT 1 FROM layers WHERE diff_id = ?', diffId) !== undefined;
  const isWhole = ({ id, manifest, layers }: ImageRecord) =>
    has(id) &&
    (!manifest || has(manifest.digest)) &&
    layers.every(({ diffId, blob }) => (blob ? has(blob.digest) : unpacked(diffId)));

  for (const name of readdirSync(layout.records(root)).sort()) {
    if (!name.endsWith('.json')) continue; // a draft of a killed process
    const path = join(layout.records(root), name);
    const { image, index } = readJson<{ image?: ImageRecord; index?: IndexRecord }>(path) ?? {};
    if (image && isWhole(image)) {
      writeImage(db, image);
      writeLayers(db, image.id, image.layers);
      for (const past of image.pastNames.toReversed()) {
        db.run('INSERT OR IGNORE INTO past_names (image, name) VALUES (?, ?)', image.id, past);
      }
      moveNames(db, image.names, { image: image.id });
      images++;
    } else if (index && has(index.digest)) {
      db.run('INSERT INTO indexes VALUES (?, ?)', index.digest, index.mediaType);
      moveNames(db, index.names, { index: index.digest });
      images++;
    } else if (image ?? index) {
      lost.push(...(image?.names ?? index?.names ?? []));
      rmSync(path);
    }
  }
  return { images, lost };
}

function adoptContainers(db: Database, root: string): number {
  let count = 0;
  for (const id of readdirSync(layout.containers(root))) {
    const container = readJson<ContainerRecord>(join(layout.container(root, id), 'container.json'));
    if (!container || container.id !== id || !existsSync(join(layout.container(root, id), 'upper'))) continue;
    checkContainerName(container.name);
    writeContainer(db, root, container);
    count++;
  }
  return count;
}

/**
 * Makes a new index from what is on disk, when the old one is damaged or missing: every blob is hashed, images and
 * containers come from their records. The step cache is lost; the old index is kept as `bld.db.damaged`.
 */
export async function rebuildIndex({
  root,
  mode,
  kind,
  boot = currentBoot(),
}: StoreOptions): Promise<Rebuilt> {
  if (!checkRoot(root)) throw new BldError('E_NOT_FOUND', `there is no store in ${root}`);
  refuseWriters(root);
  const { blobs, damaged } = await findBlobs(root);
  const path = layout.index(root);
  for (const rest of ['', '-wal', '-shm']) {
    if (existsSync(path + rest)) renameSync(path + rest, `${path}.damaged${rest}`);
  }
  let rebuilt: Rebuilt | undefined;
  const fill = (db: Database) => {
    for (const { digest, size, created } of blobs)
      db.run('INSERT INTO blobs VALUES (?, ?, ?)', digest, size, created);
    const layers = adoptLayers(db, root);
    const { images, lost } = adoptRecords(db, root);
    rebuilt = { images, containers: adoptContainers(db, root), layers, blobs: blobs.length, damaged, lost };
  };
  const known = readJson<StoreKind>(layout.kind(root));
  createIndex(root, { kind: kind ?? known ?? kindOf(mode), boot, fill });
  if (!rebuilt) throw new BldError('E_IN_USE', `another bld process made a new index for ${root} meanwhile`);
  return rebuilt;
}
