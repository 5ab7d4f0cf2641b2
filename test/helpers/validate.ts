/**
 * Checks images and trusts nothing: everything is read and hashed again, with no code of bld. A violation throws an
 * Error that names it. For OCI layouts, and for images of a store (whose blobs lie in the same way).
 */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

export interface ValidEntry {
  readonly name: string;
  /** The type flag: '0' file, '1' hardlink, '2' symlink, '5' directory… */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly link: string;
  /** Seconds. */
  readonly mtime: number;
  /** Of a device: `major,minor`. */
  readonly device: string;
  /** Name → hex of the bytes. */
  readonly xattrs: ReadonlyMap<string, string>;
  readonly data: Buffer;
}

export interface ValidImage {
  readonly digest: string;
  readonly mediaType: string;
  // biome-ignore lint/suspicious/noExplicitAny: documents are looked at freely by tests
  readonly config: any;
  // biome-ignore lint/suspicious/noExplicitAny: documents are looked at freely by tests
  readonly manifest: any;
  /** Entries of each layer's tar, bottom first. */
  readonly layers: readonly (readonly ValidEntry[])[];
}

type Reader = (digest: string) => Buffer;

class Invalid extends Error {}

function demand(condition: unknown, problem: string): asserts condition {
  if (!condition) throw new Invalid(`invalid image: ${problem}`);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

const OCI = 'application/vnd.oci.image.';
const DOCKER = 'application/vnd.docker.';

/** A blob of the directory `blobs`, checked against its digest; a symlink is none. */
function blobReader(directory: string): Reader {
  return (digest) => {
    demand(/^sha256:[0-9a-f]{64}$/.test(digest), `digest ${digest}`);
    const path = join(directory, 'sha256', digest.slice(7));
    demand(lstatSync(path).isFile(), `${path} is not a regular file`);
    const bytes = readFileSync(path);
    demand(sha256(bytes) === digest, `${digest} holds bytes of ${sha256(bytes)}`);
    return bytes;
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a document from outside
function readDescribed(read: Reader, descriptor: any, what: string): Buffer {
  demand(typeof descriptor?.mediaType === 'string' && descriptor.mediaType, `${what} has no media type`);
  demand(Number.isSafeInteger(descriptor.size), `${what} has no size`);
  const bytes = read(descriptor.digest);
  demand(bytes.length === descriptor.size, `${what} has ${bytes.length} bytes, not ${descriptor.size}`);
  return bytes;
}

/** Layers that were checked before, by digest: those that many images share need to be read once. */
export type KnownLayers = Map<string, readonly ValidEntry[]>;

/** All images of the OCI layout in a directory, those of nested indexes too. */
export function validateLayout(directory: string, known: KnownLayers = new Map()): readonly ValidImage[] {
  const marker = JSON.parse(readFileSync(join(directory, 'oci-layout'), 'utf8'));
  demand(marker.imageLayoutVersion === '1.0.0', 'oci-layout version');
  const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
  demand(index.schemaVersion === 2 && Array.isArray(index.manifests), 'index.json');
  const names = index.manifests.map(
    // biome-ignore lint/suspicious/noExplicitAny: a document from outside
    (entry: any) => entry.annotations?.['org.opencontainers.image.ref.name'],
  );
  const given = names.filter((name: unknown) => name !== undefined);
  demand(new Set(given).size === given.length, 'a name twice in index.json');
  const read = blobReader(join(directory, 'blobs'));
  return index.manifests.flatMap((entry: unknown) => validateManifest(read, entry, known));
}

/** The image with this manifest digest, whose blobs lie in `<root>/blobs`. */
export function validateStored(root: string, digest: string, mediaType: string): ValidImage {
  const read = blobReader(join(root, 'blobs'));
  const [image, ...others] = validateManifest(read, { digest, mediaType, size: read(digest).length });
  demand(image && others.length === 0, 'not one image');
  return image;
}

// biome-ignore lint/suspicious/noExplicitAny: a document from outside
function validateManifest(read: Reader, descriptor: any, known: KnownLayers = new Map()): ValidImage[] {
  const bytes = readDescribed(read, descriptor, 'manifest');
  const manifest = JSON.parse(bytes.toString('utf8'));
  demand(manifest.schemaVersion === 2, 'schemaVersion');
  demand(
    manifest.mediaType === descriptor.mediaType || manifest.mediaType === undefined,
    `manifest calls itself ${manifest.mediaType}, its descriptor ${descriptor.mediaType}`,
  );
  if (/index|list/.test(descriptor.mediaType)) {
    demand(!('layers' in manifest) && !('config' in manifest), 'index and manifest at once');
    return manifest.manifests.flatMap((entry: unknown) => validateManifest(read, entry, known));
  }
  const family = descriptor.mediaType.startsWith(OCI) ? OCI : DOCKER;
  demand(!('manifests' in manifest), 'index and manifest at once');
  demand(
    manifest.config.mediaType.startsWith(family),
    `config ${manifest.config.mediaType} in a manifest of ${family}`,
  );
  const config = JSON.parse(readDescribed(read, manifest.config, 'config').toString('utf8'));
  demand(config.rootfs?.type === 'layers', 'rootfs type');
  demand(config.rootfs.diff_ids.length === manifest.layers.length, 'number of diffIDs');
  demand(config.os && config.architecture, 'platform');
  const told = config.history?.filter((entry: { empty_layer?: boolean }) => !entry.empty_layer).length;
  demand(
    told === undefined || told === 0 || told === manifest.layers.length,
    `history tells of ${told} layers`,
  );
  // biome-ignore lint/suspicious/noExplicitAny: a document from outside
  const layers = manifest.layers.map((layer: any, at: number) => {
    demand(layer.mediaType.startsWith(family), `layer ${layer.mediaType} in a manifest of ${family}`);
    const before = known.get(`${layer.digest} ${config.rootfs.diff_ids[at]}`);
    if (before) return before;
    const tar = plain(readDescribed(read, layer, `layer ${at}`), layer.mediaType);
    demand(sha256(tar) === config.rootfs.diff_ids[at], `diffID of layer ${at}`);
    const found = [...entries(tar)];
    known.set(`${layer.digest} ${config.rootfs.diff_ids[at]}`, found);
    return found;
  });
  return [{ digest: descriptor.digest, mediaType: descriptor.mediaType, config, manifest, layers }];
}

/** Decompressed; the media type must tell the truth. */
function plain(bytes: Buffer, mediaType: string): Buffer {
  if (/gzip$/.test(mediaType)) return gunzipSync(bytes);
  if (/zstd$/.test(mediaType)) return zstdDecompressSync(bytes);
  demand(/\.tar$/.test(mediaType), `layer type ${mediaType}`);
  return bytes;
}

function octal(block: Buffer, from: number, length: number): number {
  const text = block
    .toString('latin1', from, from + length)
    .replace(/[\0 ]+$/, '')
    .trim();
  demand(/^[0-7]*$/.test(text), `tar number ${JSON.stringify(text)}`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function cString(block: Buffer, from: number, length: number): string {
  return block.toString('utf8', from, from + length).replace(/\0.*$/s, '');
}

/** A plain reader of ustar with PAX records; every header's checksum is looked at. */
export function* entries(tar: Buffer): Generator<ValidEntry> {
  demand(tar.length % 512 === 0, 'tar length');
  let pax = new Map<string, string>();
  for (let at = 0; at < tar.length; ) {
    const block = tar.subarray(at, at + 512);
    if (block.every((byte) => byte === 0)) {
      demand(
        tar.subarray(at).every((byte) => byte === 0),
        'something behind the end of the tar',
      );
      return;
    }
    const copy = Buffer.from(block);
    copy.fill(' ', 148, 156);
    demand(copy.reduce((sum, byte) => sum + byte, 0) === octal(block, 148, 8), 'tar checksum');
    const type = cString(block, 156, 1) || '0';
    const size = Number(pax.get('size') ?? octal(block, 124, 12));
    const data = tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
    if (type === 'x') {
      pax = paxRecords(data);
      continue;
    }
    if (type === 'g') continue;
    const prefix = cString(block, 345, 155);
    const name = pax.get('path') ?? `${prefix ? `${prefix}/` : ''}${cString(block, 0, 100)}`;
    demand(!name.split('/').includes('..'), `tar entry ${name}`);
    yield {
      name,
      type,
      mode: octal(block, 100, 8),
      uid: Number(pax.get('uid') ?? octal(block, 108, 8)),
      gid: Number(pax.get('gid') ?? octal(block, 116, 8)),
      link: pax.get('linkpath') ?? cString(block, 157, 100),
      mtime: Math.floor(Number(pax.get('mtime') ?? octal(block, 136, 12))),
      device: /[34]/.test(type) ? `${octal(block, 329, 8)},${octal(block, 337, 8)}` : '',
      xattrs: xattrsOf(pax),
      data,
    };
    pax = new Map();
  }
  demand(false, 'the tar has no end');
}

const XATTR = 'SCHILY.xattr.';

function xattrsOf(pax: ReadonlyMap<string, string>): Map<string, string> {
  const names = [...pax].filter(([key]) => key.startsWith(XATTR));
  return new Map(
    names.map(([key, value]) => [key.slice(XATTR.length), Buffer.from(value, 'latin1').toString('hex')]),
  );
}

function paxRecords(data: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const length = Number.parseInt(data.toString('latin1', at, at + 20), 10);
    demand(length > 0 && data[at + length - 1] === 0x0a, 'PAX record');
    const record = data.toString('latin1', at, at + length - 1);
    const [, key = '', value = ''] = /^[0-9]+ ([^=]+)=(.*)$/s.exec(record) ?? [];
    demand(key !== '', 'PAX record');
    // names are text, attributes bytes
    records.set(key, key.startsWith(XATTR) ? value : Buffer.from(value, 'latin1').toString('utf8'));
    at += length;
  }
  return records;
}
