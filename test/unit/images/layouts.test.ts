import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hexOf } from '../../../src/base/digest.ts';
import { copyImage } from '../../../src/images/copy.ts';
import { parseLocation } from '../../../src/images/location.ts';
import { dirSink, dirSource } from '../../../src/images/transports/dir.ts';
import { ociSink, ociSource } from '../../../src/images/transports/oci.ts';
import { ociArchiveSink, ociArchiveSource } from '../../../src/images/transports/oci-archive.ts';
import { validateLayout } from '../../helpers/validate.ts';
import { memorySink, memorySource, type TestImage, tempDirectory, testImage, testIndex } from './fixtures.ts';

const source = (image: TestImage) => memorySource(image.manifest, image.content);
const scratch = () => tempDirectory();

async function write(path: string, image: TestImage, name?: string): Promise<void> {
  await copyImage(source(image), ociSink(path, name, `oci:${path}`));
}

async function read(text: string) {
  const location = parseLocation(text);
  if (!location || !('select' in location || 'path' in location)) throw new Error('no path');
  const select = 'select' in location ? location.select : undefined;
  const sink = memorySink();
  await using found = await (location.transport === 'oci-archive'
    ? ociArchiveSource({ ...location, ...(select && { select }) }, scratch)
    : ociSource(location, select));
  const { root } = await copyImage(found, sink);
  return { name: found.imageName, digest: root.raw.digest, content: sink.content };
}

describe('OCI layout', () => {
  test.each(['gzip', 'zstd', 'none'] as const)('gives back what it got: %s layers', async (compression) => {
    const path = tempDirectory();
    const image = testImage('x', { compression });
    await write(path, image, 'v1');
    expect(validateLayout(path)).toHaveLength(1);
    const found = await read(`oci:${path}:v1`);
    expect(found).toEqual({ name: 'v1', digest: image.manifest.digest, content: image.content });
  });

  test('keeps its other images; a name moves', async () => {
    const path = tempDirectory();
    const [a, b, c] = [testImage('a'), testImage('b'), testImage('c')];
    await write(path, a, 'a');
    await write(path, b, 'b');
    await write(path, c, 'a');
    await write(path, b);
    await write(path, a);
    expect(validateLayout(path)).toHaveLength(3);
    expect((await read(`oci:${path}:a`)).digest).toBe(c.manifest.digest);
    expect((await read(`oci:${path}:b`)).digest).toBe(b.manifest.digest);
    expect((await read(`oci:${path}:@2`)).digest).toBe(a.manifest.digest);
    await expect(read(`oci:${path}`)).rejects.toMatchObject({ code: 'E_USAGE', hint: 'it holds b, a, @2' });
    await expect(read(`oci:${path}:z`)).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
      hint: 'it holds b, a, @2',
    });
    await expect(read(`oci:${path}:@7`)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });

  test('many writers at once lose nothing', async () => {
    const path = tempDirectory();
    await Promise.all(Array.from({ length: 20 }, (_, n) => write(path, testImage(`i${n}`), `t${n}`)));
    expect(validateLayout(path)).toHaveLength(20);
    expect(readdirSync(path).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  test('holds indexes with their images', async () => {
    const path = tempDirectory();
    const { raw, content } = testIndex([
      ['linux/amd64', testImage('amd')],
      ['linux/arm64', testImage('arm', { platform: 'linux/arm64' })],
    ]);
    await copyImage(memorySource(raw, content), ociSink(path, 'all', 'oci:x'), { select: 'all' });
    expect(validateLayout(path)).toHaveLength(2);
    await using found = await ociSource({ transport: 'oci', path }, undefined);
    const sink = memorySink();
    await copyImage(found, sink, { select: 'all' });
    expect(sink.content).toEqual(content);
  });

  test('symlinks are not followed: blob, index.json, blobs directory', async () => {
    const image = testImage('x');
    for (const target of [
      `blobs/sha256/${hexOf(image.manifest.digest)}`,
      'index.json',
      'blobs',
      'blobs/sha256',
      'oci-layout',
    ]) {
      const path = tempDirectory();
      await write(path, image);
      const moved = join(tempDirectory(), 'moved');
      renameSync(join(path, target), moved);
      symlinkSync(moved, join(path, target));
      await expect(read(`oci:${path}`), target).rejects.toMatchObject({ code: 'E_PATH' });
    }
  });

  test('a pipe in place of a blob is not waited for', async () => {
    const path = tempDirectory();
    const image = testImage('x');
    await write(path, image);
    const blob = join(path, 'blobs/sha256', hexOf(image.manifest.digest));
    rmSync(blob);
    execFileSync('mkfifo', [blob]);
    await expect(read(`oci:${path}`)).rejects.toMatchObject({ code: 'E_PATH' });
  });

  test('a damaged or missing blob is an error of the source', async () => {
    const path = tempDirectory();
    const image = testImage('x');
    await write(path, image);
    const layer = join(path, 'blobs/sha256', hexOf(image.layers[0]?.digest ?? image.manifest.digest));
    const bytes = readFileSync(layer);
    bytes.writeUInt8((bytes.at(20) ?? 0) ^ 1, 20);
    writeFileSync(layer, bytes);
    await expect(read(`oci:${path}`)).rejects.toMatchObject({ code: 'E_INTEGRITY', side: 'source' });
    rmSync(layer);
    await expect(read(`oci:${path}`)).rejects.toMatchObject({ code: 'E_NOT_FOUND', side: 'source' });
  });

  test("does not touch somebody's directory", () => {
    const path = tempDirectory();
    writeFileSync(join(path, 'thesis.tex'), 'x');
    expect(() => ociSink(path, 'v1', 'oci:x')).toThrow(expect.objectContaining({ code: 'E_EXISTS' }));
    expect(readdirSync(path)).toEqual(['thesis.tex']);
  });

  test('what is no layout is said to be none', async () => {
    const path = tempDirectory();
    await expect(read(`oci:${path}`)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(read(`oci:${path}/none`)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await expect(read(`oci:${path}`)).rejects.toMatchObject({ code: 'E_UNSUPPORTED' });
  });
});

describe('OCI archive', () => {
  async function archive(image: TestImage, name?: string): Promise<string> {
    const path = join(tempDirectory(), 'x.tar');
    await using sink = await ociArchiveSink(path, name, `oci-archive:${path}`);
    await copyImage(source(image), sink);
    return path;
  }

  test('gives back what it got; GNU tar reads it', async () => {
    const image = testImage('x');
    const path = await archive(image, 'docker.io/library/x:1');
    expect(await read(`oci-archive:${path}`)).toEqual({
      name: 'docker.io/library/x:1',
      digest: image.manifest.digest,
      content: image.content,
    });
    const unpacked = tempDirectory();
    execFileSync('tar', ['xf', path, '-C', unpacked]);
    expect(validateLayout(unpacked)).toHaveLength(1);
  });

  test('is the same file for the same image', async () => {
    const image = testImage('x');
    expect(readFileSync(await archive(image, 'a'))).toEqual(readFileSync(await archive(image, 'a')));
  });

  test.each(['gzip', 'zstd', 'xz'])('is read when GNU tar made it, also through %s', async (program) => {
    const [layout, image] = [tempDirectory(), testImage('x')];
    await write(layout, image, 'v1');
    const plain = join(tempDirectory(), 'plain.tar');
    execFileSync('tar', ['cf', plain, '-C', layout, '.']);
    expect((await read(`oci-archive:${plain}:v1`)).digest).toBe(image.manifest.digest);
    const packed = join(tempDirectory(), 'packed');
    execFileSync('sh', ['-c', `${program} -c ${plain} >${packed}`]);
    expect((await read(`oci-archive:${packed}:v1`)).digest).toBe(image.manifest.digest);
  });

  test('a copy that fails leaves no file, and an old one as it was', async () => {
    const path = join(tempDirectory(), 'x.tar');
    const image = testImage('x');
    const broken = new Map(image.content);
    broken.delete(image.layers[1]?.digest ?? image.manifest.digest);
    const attempt = async () => {
      await using sink = await ociArchiveSink(path, undefined, 'x');
      await copyImage(memorySource(image.manifest, broken), sink);
    };
    await expect(attempt()).rejects.toThrow();
    expect(readdirSync(join(path, '..'))).toEqual([]);
    writeFileSync(path, 'old');
    await expect(attempt()).rejects.toThrow();
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('junk and truncated archives are refused', async () => {
    const path = join(tempDirectory(), 'x');
    writeFileSync(path, 'no tar at all, but long enough to be one block'.repeat(40));
    await expect(read(`oci-archive:${path}`)).rejects.toMatchObject({ code: 'E_ARCHIVE' });
    const whole = readFileSync(await archive(testImage('x')));
    writeFileSync(path, whole.subarray(0, 2560));
    await expect(read(`oci-archive:${path}`)).rejects.toMatchObject({
      code: expect.stringMatching(/E_ARCHIVE|E_NOT_FOUND/),
    });
    await expect(read(`oci-archive:${path}-none`)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });
});

describe('directory of skopeo', () => {
  test('gives back what it got, and forgets the image before', async () => {
    const path = join(tempDirectory(), 'new');
    const [a, b] = [testImage('a'), testImage('b')];
    await copyImage(source(a), dirSink(path, 'dir:x'));
    await copyImage(source(b), dirSink(path, 'dir:x'));
    const sink = memorySink();
    await copyImage(dirSource(path, 'dir:x'), sink);
    expect(sink.content).toEqual(b.content);
    expect(readdirSync(path)).toHaveLength(b.content.size + 1);
  });

  test('holds indexes', async () => {
    const path = tempDirectory();
    const { raw, content } = testIndex([['linux/amd64', testImage('amd')]]);
    await copyImage(memorySource(raw, content), dirSink(path, 'dir:x'), { select: 'all' });
    const sink = memorySink();
    await copyImage(dirSource(path, 'dir:x'), sink, { select: 'all' });
    expect(sink.content).toEqual(content);
  });

  test("does not touch somebody's directory", () => {
    const path = tempDirectory();
    writeFileSync(join(path, 'thesis.tex'), 'x');
    expect(() => dirSink(path, 'dir:x')).toThrow(expect.objectContaining({ code: 'E_EXISTS' }));
    mkdirSync(join(path, 'y'));
    writeFileSync(join(path, 'y', 'a'.repeat(64)), 'x');
    expect(() => dirSink(join(path, 'y'), 'dir:x')).toThrow(expect.objectContaining({ code: 'E_EXISTS' }));
  });
});
