import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { BldError } from '../../../src/base/errors.ts';
import { encodeManifest } from '../../../src/images/build-image.ts';
import { convertedSource } from '../../../src/images/convert-source.ts';
import { copyImage, type ImageSink } from '../../../src/images/copy.ts';
import { CopyError } from '../../../src/images/copy-error.ts';
import { OCI_INDEX } from '../../../src/images/media-types.ts';
import { parsePlatform } from '../../../src/images/platform.ts';
import { memorySink, memorySource, testImage, testIndex } from './fixtures.ts';

function flipLast(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy.at(-1) ?? 0) ^ 1, copy.length - 1);
  return copy;
}

const kinds = (trace: readonly string[]) => trace.map((line) => line.split(' ', 1)[0]).join(' ');

describe('copyImage', () => {
  test('asks for all layers first, then sends: blobs, config, manifest, name', async () => {
    const image = testImage('x');
    const sink = memorySink();
    const { root } = await copyImage(memorySource(image.manifest, image.content), sink);
    expect(kinds(sink.trace)).toBe('has has put put has put commit');
    expect(root.raw.bytes).toEqual(image.manifest.bytes);
    for (const [digest, bytes] of image.content) expect(sink.content.get(digest)).toEqual(bytes);
  });

  test('sends nothing that is there, and nothing twice', async () => {
    const image = testImage('x', { layers: ['a', 'a', 'b'] });
    const source = memorySource(image.manifest, image.content);
    const sink = memorySink();
    await copyImage(source, sink);
    expect(source.opened).toHaveLength(3);
    await copyImage(source, sink);
    expect(source.opened).toHaveLength(3);
  });

  test('chooses the platform from an index, through nested ones, and tells the index', async () => {
    const [arm, amd] = [testImage('arm', { platform: 'linux/arm64' }), testImage('amd')];
    const { raw, content } = testIndex([
      ['linux/arm64', arm],
      ['linux/amd64', amd],
    ]);
    const sink = memorySink();
    const copied = await copyImage(memorySource(raw, content), sink, {
      select: parsePlatform('linux/arm64'),
    });
    expect(copied.root.raw.digest).toBe(arm.manifest.digest);
    expect(copied.index?.digest).toBe(raw.digest);
    await expect(
      copyImage(memorySource(raw, content), sink, { select: parsePlatform('linux/s390x') }),
    ).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
      message: expect.stringContaining('no image for linux/s390x'),
    });
  });

  test('copies a whole index, attestations too, leaves before the root', async () => {
    const [arm, amd, attestation] = [
      testImage('arm', { platform: 'linux/arm64' }),
      testImage('amd'),
      testImage('att'),
    ];
    const beside = {
      mediaType: attestation.manifest.mediaType,
      digest: attestation.manifest.digest,
      size: attestation.manifest.bytes.length,
      platform: { os: 'unknown', architecture: 'unknown' },
    };
    const { raw, content } = testIndex(
      [
        ['linux/arm64', arm],
        ['linux/amd64', amd],
      ],
      [beside],
    );
    for (const [digest, bytes] of attestation.content) content.set(digest, bytes);
    const sink = memorySink();
    await copyImage(memorySource(raw, content), sink, { select: 'all' });
    expect(sink.trace.filter((line) => /manifest|commit/.test(line))).toEqual([
      `manifest ${arm.manifest.digest}`,
      `manifest ${amd.manifest.digest}`,
      `manifest ${attestation.manifest.digest}`,
      `commit ${raw.digest}`,
    ]);
    expect(sink.content.size).toBe(content.size);
  });

  test('layers that lie elsewhere are not fetched', async () => {
    const image = testImage('x', { layers: ['a'] });
    const document = JSON.parse(image.manifest.bytes.toString());
    document.layers.push({
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      digest: digestOf('elsewhere'),
      size: 1,
      urls: ['http://169.254.169.254/x'],
    });
    const raw = encodeManifest(document, image.manifest.mediaType);
    const source = memorySource(raw, image.content);
    await copyImage(source, memorySink());
    expect(source.opened).not.toContain(digestOf('elsewhere'));
  });

  test.each([
    ['another byte', flipLast],
    ['too few bytes', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['too many bytes', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
  ])('a source that gives %s is the one that failed', async (_, damage) => {
    const image = testImage('x', { layers: ['a'] });
    const digest = digestOf(image.content.get(image.layers[0]?.digest ?? digestOf('')) ?? '');
    const content = new Map(image.content).set(digest, damage(image.content.get(digest) ?? Buffer.alloc(0)));
    const sink = memorySink();
    const failure = await copyImage(memorySource(image.manifest, content), sink).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(CopyError);
    expect(failure).toMatchObject({ code: 'E_INTEGRITY', side: 'source' });
    expect(sink.trace.some((line) => line.startsWith('commit'))).toBe(false);
  });

  test('a sink that fails is the one that failed; its code and hint stay', async () => {
    const image = testImage('x');
    const put: ImageSink['put'] = () =>
      Promise.reject(new BldError('E_DISK_FULL', 'no space', { hint: 'free some' }));
    await expect(
      copyImage(memorySource(image.manifest, image.content), memorySink({ put })),
    ).rejects.toMatchObject({
      side: 'destination',
      code: 'E_DISK_FULL',
      hint: 'free some',
      message: 'writing memory:sink: no space',
    });
  });

  test('a manifest of other bytes or of another type than the index says is refused', async () => {
    const image = testImage('x');
    const { raw, content } = testIndex([['linux/amd64', image]]);
    const select = parsePlatform('linux/amd64');
    const wrong = new Map(content).set(image.manifest.digest, testImage('y').manifest.bytes);
    await expect(copyImage(memorySource(raw, wrong), memorySink(), { select })).rejects.toMatchObject({
      code: 'E_INTEGRITY',
    });
    const lies = Buffer.from(raw.bytes.toString().replace('manifest.v1+json', 'index.v1+json'));
    const lying = { ...raw, bytes: lies, digest: digestOf(lies) };
    await expect(copyImage(memorySource(lying, content), memorySink(), { select })).rejects.toThrow(
      /is of type/,
    );
  });

  test('indexes may not be nested without end', async () => {
    const content = new Map(testImage('x').content);
    let inner = testImage('x').manifest;
    for (let depth = 0; depth < 6; depth++) {
      const entry = {
        mediaType: inner.mediaType,
        digest: inner.digest,
        size: inner.bytes.length,
        platform: parsePlatform('linux/amd64'),
        annotations: { depth: String(depth) },
      };
      inner = encodeManifest({ schemaVersion: 2, manifests: [entry] }, OCI_INDEX);
      content.set(inner.digest, inner.bytes);
    }
    for (const select of ['all', parsePlatform('linux/amd64')] as const) {
      await expect(copyImage(memorySource(inner, content), memorySink(), { select })).rejects.toMatchObject({
        code: 'E_LIMIT',
      });
    }
  });

  test('blobs that a registry had only claimed to have are sent, and the manifest again', async () => {
    const image = testImage('x', { layers: ['a'] });
    let refusals = 0;
    const sink = memorySink({
      has: async () => true,
      lacksBlobs: (error) => error instanceof Error && error.message === 'unknown blob',
      commit: async () => {
        if (refusals++ === 0) throw new Error('unknown blob');
      },
    });
    await copyImage(memorySource(image.manifest, image.content), sink);
    expect(kinds(sink.trace)).toBe('insist insist');
    expect(refusals).toBe(2);
  });
});

test('a converted source gives an index and its images in the other format', async () => {
  const images = [
    ['linux/amd64', testImage('amd')],
    ['linux/arm64', testImage('arm', { platform: 'linux/arm64' })],
  ] as const;
  const { raw, content } = testIndex(images);
  const sink = memorySink();
  const { root } = await copyImage(convertedSource(memorySource(raw, content), 'docker'), sink, {
    select: 'all',
  });
  expect(root.raw.mediaType).toContain('docker.distribution.manifest.list');
  expect(sink.trace.filter((line) => line.startsWith('manifest'))).toHaveLength(2);
  expect(root.raw.bytes.toString()).not.toContain('oci.image');
  const same = convertedSource(memorySource(raw, content), 'oci');
  expect((await same.manifest()).digest).toBe(raw.digest);
});
