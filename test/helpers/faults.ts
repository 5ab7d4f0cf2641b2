/** What goes wrong around bld: images that lie, small and full disks, and a look at a store that must stay as it was. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect, inject } from 'vitest';
import { isErrno } from '../../src/base/errors.ts';
import { Bench, type Output, type Person } from './bld.ts';
import { sha256, type TestRegistry } from './registry.ts';

const OCI = 'application/vnd.oci.image';

interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An image as its documents tell it: the lies of a test are put in here. */
export interface RawImage {
  config: { rootfs: { type: 'layers'; diff_ids: string[] }; [key: string]: unknown };
  manifest: {
    schemaVersion: 2;
    mediaType: string;
    config: Described;
    layers: Described[];
    [key: string]: unknown;
  };
  /** Blobs by the digest under which they are offered. */
  readonly blobs: Map<string, Buffer>;
}

function described(mediaType: string, bytes: Buffer): Described {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

/** Puts the configuration as it is now into blobs and manifest. */
export function sealConfig(image: RawImage): void {
  const bytes = Buffer.from(JSON.stringify(image.config));
  image.manifest.config = described(`${OCI}.config.v1+json`, bytes);
  image.blobs.set(sha256(bytes), bytes);
}

/** An honest image of plain tars, on top of the image in a layout (`oci:PATH:NAME`) when one is given. */
export function rawImage(layers: readonly Buffer[], below?: string): RawImage {
  const image: RawImage = {
    config: { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } },
    manifest: {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: described('', Buffer.alloc(0)),
      layers: [],
    },
    blobs: new Map(),
  };
  if (below !== undefined) stackOn(image, below.split(':')[1] ?? '');
  for (const tar of layers) {
    const layer = described(`${OCI}.layer.v1.tar`, tar);
    image.config.rootfs.diff_ids.push(layer.digest);
    image.manifest.layers.push(layer);
    image.blobs.set(layer.digest, tar);
  }
  sealConfig(image);
  return image;
}

function stackOn(image: RawImage, layout: string): void {
  const read = (digest: string) => readFileSync(join(layout, 'blobs/sha256', digest.slice(7)));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const manifest: RawImage['manifest'] = JSON.parse(read(index.manifests[0].digest).toString());
  const { history: _, ...config } = JSON.parse(read(manifest.config.digest).toString());
  image.config = config;
  for (const layer of manifest.layers) {
    image.manifest.layers.push(layer);
    image.blobs.set(layer.digest, read(layer.digest));
  }
}

/** Offers the image as `name:tag`; the digest of its manifest. */
export function publish(registry: TestRegistry, image: RawImage, name: string, tag = 'latest'): string {
  for (const [digest, bytes] of image.blobs) {
    registry.blobs.set(digest, bytes);
    registry.repo(name).blobs.add(digest);
  }
  const { manifest } = image;
  const bytes = JSON.stringify(manifest);
  return registry.addManifest(name, tag, { mediaType: manifest.mediaType, bytes }).digest;
}

/** Writes the image as an OCI layout, given to the bench's person; its location, with a name. */
export function writeLayout(bench: Bench, image: RawImage, name: string): string {
  const directory = bench.mkdir(name);
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  const manifest = Buffer.from(JSON.stringify(image.manifest));
  for (const [digest, bytes] of [...image.blobs, [sha256(manifest), manifest] as const]) {
    writeFileSync(join(directory, 'blobs/sha256', basename(digest.slice(7))), bytes);
  }
  const annotations = { 'org.opencontainers.image.ref.name': name };
  const entry = { ...described(image.manifest.mediaType, manifest), annotations };
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  bench.ownAll(directory);
  return `oci:${directory}:${name}`;
}

/** A small disk of its own under a path, given to the bench's person. Dispose it before the bench. */
export class Disk implements Disposable {
  readonly path: string;
  readonly #filler: string;

  /** `options` as mount(8) takes them for a tmpfs: `size=40m,nr_inodes=500`. */
  constructor(bench: Bench, path: string, options: string) {
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=0755,${options}`, 'none', path]);
    this.path = path;
    this.#filler = join(path, 'filler');
    bench.own(path);
  }

  get free(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Leaves `bytes` of space. */
  leave(bytes: number): void {
    const fd = openSync(this.#filler, 'a+');
    try {
      for (let chunk = 1 << 20; chunk >= 4096; chunk /= 2) {
        while (this.free >= bytes + chunk) writeSync(fd, Buffer.alloc(chunk));
      }
      const over = bytes - this.free;
      if (over > 0) ftruncateSync(fd, Math.max(0, lstatSync(this.#filler).size - over));
    } finally {
      closeSync(fd);
    }
  }

  /** Leaves so many inodes. */
  leaveInodes(count: number): void {
    mkdirSync(this.#filler);
    for (let n = 0; statfsSync(this.path).ffree > count; n++) {
      closeSync(openSync(join(this.#filler, String(n)), 'w'));
    }
  }

  release(): void {
    rmSync(this.#filler, { recursive: true, force: true });
  }

  remount(how: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,${how}`, this.path]);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.path]);
  }
}

function* walk(path: string, below = ''): Generator<string> {
  for (const name of readdirSync(path).sort()) {
    const at = join(path, name);
    const shown = join(below, name);
    const stat = lstatSync(at);
    yield `${shown} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.isFile() ? stat.size : ''}`;
    if (stat.isDirectory()) yield* walk(at, shown);
    else if (stat.isSymbolicLink()) yield `${shown} -> ${readlinkSync(at)}`;
  }
}

/** The error object of a command that ran with `--log-format json`: the last line of its standard error. */
export function failure({ stderr }: Output): {
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
} {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(line);
  } catch {
    return { message: `no JSON: ${stderr}` };
  }
}

/** What a failed command must leave as it was: rows of images and containers, and all files but the index's own. */
export function listing(bench: Bench): string[] {
  const rows = ['images --all --json', 'containers --json'].map((words) => bench.run(...words.split(' ')));
  const ages = /"createdat": .*/g;
  const directories = ['blobs', 'layers', 'containers', 'records', 'tmp', 'leases', 'cache-mounts'];
  const files = directories.flatMap((name) => {
    try {
      return [...walk(join(bench.root, name), name)];
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  });
  return [...rows.map((text) => text.replace(ages, '')), ...files];
}

/** A file or tree that an attack would like to change: its looks, taken before and after. */
export function looks(path: string): string[] {
  const { mode, uid, gid, nlink, size, mtimeMs } = lstatSync(path);
  const own = `${path} ${mode} ${uid}:${gid} ${nlink} ${size} ${mtimeMs}`;
  return lstatSync(path).isDirectory() ? [own, ...walk(path)] : [own, readFileSync(path, 'latin1')];
}

/** A bench with a canary that nothing may read or change; `c` is a container on the base. */
export function guarded(person: Person) {
  const bench = new Bench(person);
  const outside = bench.mkdir('outside');
  writeFileSync(join(outside, 'secret'), 'secret of the machine', { mode: 0o600 });
  mkdirSync(join(outside, 'sub'));
  bench.ownAll(outside);
  const before = looks(outside);
  bench.run('from', '--name', 'c', inject('base'));
  return {
    bench,
    outside,
    untouched: () => expect(looks(outside)).toEqual(before),
    [Symbol.dispose]: () => bench[Symbol.dispose](),
  };
}
