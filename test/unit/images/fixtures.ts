import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { type Digest, digestOf } from '../../../src/base/digest.ts';
import { buildImage, encodeManifest } from '../../../src/images/build-image.ts';
import { emptyConfig, stringMap } from '../../../src/images/config.ts';
import type { Blob, ImageSink, ImageSource, ManifestNode } from '../../../src/images/copy.ts';
import type { RawManifest } from '../../../src/images/decode.ts';
import { type ImageFormat, indexType, layerType } from '../../../src/images/media-types.ts';
import { appendLayer, changeSettings } from '../../../src/images/mutate.ts';
import { parsePlatform } from '../../../src/images/platform.ts';
import type { Descriptor, ImageConfig } from '../../../src/images/types.ts';
import { END_OF_ARCHIVE, encodeHeader, padded } from '../../../src/layers/tar/write.ts';

/** A directory that is gone after the test. */
export function tempDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'bld-images-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface Member {
  readonly name: string;
  readonly data?: string | Buffer;
  readonly link?: string;
  readonly hard?: boolean;
}

/** A tar of files and links. */
export function tarOf(...members: readonly Member[]): Buffer {
  const parts = members.flatMap(({ name, data = '', link, hard }) => {
    const bytes = Buffer.from(data);
    const header = encodeHeader({
      path: Buffer.from(name),
      type: link === undefined ? 'file' : hard ? 'hardlink' : 'symlink',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: link === undefined ? bytes.length : 0,
      mtime: 0n,
      linkPath: Buffer.from(link ?? ''),
      major: 0,
      minor: 0,
      xattrs: null,
      extents: null,
    });
    return [header, bytes, padded(bytes.length)];
  });
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

export interface TestImage {
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  readonly manifest: RawManifest;
  /** Plain tars, bottom first. */
  readonly tars: readonly Buffer[];
  readonly layers: readonly Descriptor[];
  /** Everything by digest, manifests too. */
  readonly content: ReadonlyMap<Digest, Buffer>;
}

export interface TestImageOptions {
  readonly format?: ImageFormat;
  readonly platform?: string;
  readonly compression?: 'gzip' | 'zstd' | 'none';
  readonly layers?: readonly string[];
}

const COMPRESS = { gzip: gzipSync, zstd: zstdCompressSync, none: (bytes: Buffer) => bytes };

/** A small image with real layers, one file in each. */
export function testImage(label: string, options: TestImageOptions = {}): TestImage {
  const { format = 'oci', platform = 'linux/amd64', compression = 'gzip', layers = ['a', 'b'] } = options;
  const tars = layers.map((text) => tarOf({ name: `${label}-${text}`, data: `${label} ${text}` }));
  const blobs = tars.map((tar) => COMPRESS[compression](tar));
  const created = '2026-01-02T03:04:05Z';
  let config = changeSettings(emptyConfig(parsePlatform(platform)), { Cmd: [label] });
  for (const tar of tars) config = appendLayer(config, digestOf(tar), { created, created_by: label });
  const mediaType = layerType({ format, compression, foreign: false }) ?? '';
  const descriptors = blobs.map((blob) => ({ mediaType, digest: digestOf(blob), size: blob.length }));
  const annotations = stringMap([['org.example', label]]);
  const built = buildImage({ config, layers: descriptors, format, annotations });
  const content = new Map<Digest, Buffer>([
    ...blobs.map((blob): [Digest, Buffer] => [digestOf(blob), blob]),
    [built.config.digest, built.config.bytes],
    [built.manifest.digest, built.manifest.bytes],
  ]);
  return {
    config,
    configBytes: built.config.bytes,
    manifest: built.manifest,
    tars,
    layers: descriptors,
    content,
  };
}

/** An index of images, one a platform, and all their content. */
export function testIndex(
  images: readonly (readonly [platform: string, image: TestImage])[],
  more: readonly Descriptor[] = [],
) {
  const manifests = images.map(([platform, { manifest }]) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    platform: parsePlatform(platform),
  }));
  const raw = encodeManifest({ schemaVersion: 2, manifests: [...manifests, ...more] }, indexType('oci'));
  const content = new Map(images.flatMap(([, image]) => [...image.content]));
  return { raw, content: content.set(raw.digest, raw.bytes) };
}

export interface MemorySource extends ImageSource {
  /** What was opened, in order. */
  readonly opened: Digest[];
}

/** A source that serves content as it is, without looking at it. */
export function memorySource(root: RawManifest, content: ReadonlyMap<Digest, Buffer>): MemorySource {
  const opened: Digest[] = [];
  const bytesOf = (digest: Digest): Buffer => {
    const bytes = content.get(digest);
    if (bytes) return bytes;
    throw new Error(`no ${digest}`);
  };
  return {
    label: 'memory:source',
    opened,
    async manifest(digest = root.digest) {
      if (digest === root.digest) return root;
      const bytes = bytesOf(digest);
      return { mediaType: JSON.parse(bytes.toString()).mediaType, bytes, digest };
    },
    async open(blob, offset) {
      opened.push(blob.digest);
      return Readable.from([bytesOf(blob.digest).subarray(offset)], { objectMode: false });
    },
    async [Symbol.asyncDispose]() {},
  };
}

export interface MemorySink extends ImageSink {
  readonly content: Map<Digest, Buffer>;
  /** What was done, in order: `has …`, `put …`, `manifest …`, `commit …`. */
  readonly trace: string[];
}

export async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A sink that keeps all, with steps to override. */
export function memorySink(change: Partial<ImageSink> = {}): MemorySink {
  const content = new Map<Digest, Buffer>();
  const trace: string[] = [];
  return {
    label: 'memory:sink',
    verifies: false,
    content,
    trace,
    async has({ digest }: Descriptor) {
      trace.push(`has ${digest}`);
      return content.has(digest);
    },
    async put({ descriptor, open, onBytes, insist }: Blob) {
      trace.push(`${insist ? 'insist' : 'put'} ${descriptor.digest}`);
      const bytes = await bytesOf(await open(0));
      onBytes(bytes.length);
      content.set(descriptor.digest, bytes);
    },
    async putManifest({ raw }: ManifestNode) {
      trace.push(`manifest ${raw.digest}`);
      content.set(raw.digest, raw.bytes);
    },
    async commit({ raw }: ManifestNode) {
      trace.push(`commit ${raw.digest}`);
      content.set(raw.digest, raw.bytes);
    },
    async [Symbol.asyncDispose]() {},
    ...change,
  };
}
