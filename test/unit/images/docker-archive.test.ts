import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf, hexOf } from '../../../src/base/digest.ts';
import { copyImage } from '../../../src/images/copy.ts';
import type { Selector } from '../../../src/images/location.ts';
import { copyTars } from '../../../src/images/tars.ts';
import { fileTarget, streamTarget } from '../../../src/images/transports/archive-writer.ts';
import { dockerArchiveSink, dockerArchiveSource } from '../../../src/images/transports/docker-archive.ts';
import { dockerDaemonSink, dockerDaemonSource } from '../../../src/images/transports/docker-daemon.ts';
import { openTarTree } from '../../../src/images/transports/tar-tree.ts';
import {
  bytesOf,
  type Member,
  memorySink,
  memorySource,
  type TestImage,
  tarOf,
  tempDirectory,
  testImage,
} from './fixtures.ts';

const source = (image: TestImage) => memorySource(image.manifest, image.content);

async function save(image: TestImage, ...names: string[]): Promise<string> {
  const path = join(tempDirectory(), 'x.tar');
  await using sink = dockerArchiveSink(await fileTarget(path), names, 'docker-archive:x');
  await copyTars(source(image), sink);
  return path;
}

async function load(path: string, select?: Selector) {
  const tree = await openTarTree(path, 'docker-archive:x', tempDirectory);
  await using found = await dockerArchiveSource(tree, 'docker-archive:x', select);
  const sink = memorySink();
  await copyImage(found, sink);
  return { names: found.names, content: sink.content };
}

/** An archive of one image, its parts as the test wants them. */
function archiveOf(image: TestImage, layers: readonly string[], members: readonly Member[]): string {
  const path = join(tempDirectory(), 'x.tar');
  const manifest = JSON.stringify([{ Config: 'c.json', RepoTags: null, Layers: layers }]);
  const own = [
    { name: 'manifest.json', data: manifest },
    { name: 'c.json', data: image.configBytes },
  ];
  writeFileSync(path, tarOf(...own, ...members));
  return path;
}

const plain = testImage('x', { compression: 'none' });
const [tarA = Buffer.alloc(0), tarB = Buffer.alloc(0)] = plain.tars;

describe('docker save archives', () => {
  test.each(['gzip', 'zstd', 'none'] as const)(
    'keep configuration and layers of an image with %s layers',
    async (compression) => {
      const image = testImage('x', { compression });
      const { names, content } = await load(await save(image, 'docker.io/library/x:1'));
      expect(names).toEqual(['docker.io/library/x:1']);
      expect(content.get(digestOf(image.configBytes))).toEqual(image.configBytes);
      for (const tar of image.tars) expect(content.get(digestOf(tar))).toEqual(tar);
    },
  );

  test('are laid out as docker does', async () => {
    const image = testImage('x', { layers: ['a', 'a', 'b'] });
    const path = await save(image, 'docker.io/library/x:1');
    const list = execFileSync('tar', ['tf', path], { encoding: 'utf8' }).trim().split('\n');
    const [a, , b] = image.tars.map((tar) => `${hexOf(digestOf(tar))}.tar`);
    const config = `${hexOf(digestOf(image.configBytes))}.json`;
    expect(list).toEqual([config, a, b, 'manifest.json', 'repositories']);
    const manifest = execFileSync('tar', ['xOf', path, 'manifest.json'], { encoding: 'utf8' });
    expect(JSON.parse(manifest)).toEqual([
      { Config: config, RepoTags: ['docker.io/library/x:1'], Layers: [a, a, b] },
    ]);
  });

  test('are the same through a pipe, which cannot seek', async () => {
    const image = testImage('x');
    const pipe = new PassThrough();
    const [piped] = await Promise.all([
      bytesOf(pipe),
      copyTars(source(image), dockerArchiveSink(streamTarget(pipe), [], 'pipe')),
    ]);
    expect(piped).toEqual(readFileSync(await save(image)));
  });

  test('links inside of the archive are followed: layers written once', async () => {
    const twice = testImage('x', { layers: ['a', 'a'], compression: 'none' });
    const [tar = Buffer.alloc(0)] = twice.tars;
    const members = [
      { name: './one/layer.tar', data: tar },
      { name: 'two/layer.tar', link: '../one/layer.tar' },
    ];
    const { content } = await load(archiveOf(twice, ['one/layer.tar', 'two/layer.tar'], members));
    expect(content.get(digestOf(tar))).toEqual(tar);
    const hard = [
      { name: 'one', data: tar },
      { name: 'two', link: 'one', hard: true },
    ];
    await load(archiveOf(twice, ['one', 'two'], hard));
  });

  test.each([
    ['a path out of the archive', ['../../../../etc/passwd', 'b'], 'E_NOT_FOUND', []],
    ['an absolute path', ['/etc/passwd', 'b'], 'E_NOT_FOUND', []],
    ['a link out of the archive', ['l', 'b'], 'E_NOT_FOUND', [{ name: 'l', link: '/etc/passwd' }]],
    ['a link to itself', ['l', 'b'], 'E_PATH', [{ name: 'l', link: 'l' }]],
    ['a missing layer', ['none', 'b'], 'E_NOT_FOUND', []],
    ['fewer layers than diffIDs', ['b'], 'E_INTEGRITY', []],
    ['layers in the wrong order', ['b', 'a'], 'E_INTEGRITY', [{ name: 'a', data: tarA }]],
  ] as const)('%s is refused', async (_, layers, code, members) => {
    const path = archiveOf(plain, layers, [{ name: 'b', data: tarB }, ...members]);
    await expect(load(path)).rejects.toMatchObject({ code });
  });

  test('compressed layers are taken as they are', async () => {
    const gz = gzipSync(tarA);
    const { content } = await load(
      archiveOf(
        plain,
        ['a', 'b'],
        [
          { name: 'a', data: gz },
          { name: 'b', data: tarB },
        ],
      ),
    );
    expect(content.get(digestOf(gz))).toEqual(gz);
  });

  test('of several images one is named', async () => {
    const path = join(tempDirectory(), 'x.tar');
    const item = (name: string) => ({ Config: 'c', Layers: ['a', 'b'], RepoTags: [name] });
    writeFileSync(
      path,
      tarOf(
        { name: 'manifest.json', data: JSON.stringify([item('one:1'), item('q.io/two:2')]) },
        { name: 'c', data: plain.configBytes },
        { name: 'a', data: tarA },
        { name: 'b', data: tarB },
      ),
    );
    await expect(load(path)).rejects.toMatchObject({ code: 'E_USAGE', hint: 'it holds one:1, q.io/two:2' });
    expect((await load(path, { by: 'name', name: 'docker.io/library/one:1' })).names).toEqual(['one:1']);
    expect((await load(path, { by: 'position', position: 1 })).names).toEqual(['q.io/two:2']);
    await expect(load(path, { by: 'name', name: 'x' })).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });

  test('a layer whose blob lies is refused on the way out', async () => {
    const image = testImage('x', { layers: ['a'] });
    const other = gzipSync('not the tar');
    const document = JSON.parse(image.manifest.bytes.toString());
    document.layers[0].digest = digestOf(other);
    document.layers[0].size = other.length;
    const bytes = Buffer.from(JSON.stringify(document));
    const content = new Map(image.content).set(digestOf(other), other);
    const lying = memorySource({ ...image.manifest, bytes, digest: digestOf(bytes) }, content);
    const path = join(tempDirectory(), 'x.tar');
    await using sink = dockerArchiveSink(await fileTarget(path), [], 'x');
    await expect(copyTars(lying, sink)).rejects.toMatchObject({ code: 'E_INTEGRITY', side: 'source' });
  });
});

test('sizes over eight gigabytes are read in base 256', async () => {
  const directory = tempDirectory();
  const size = 2 ** 33 + 512;
  execFileSync('truncate', ['-s', String(size), join(directory, 'hole')]);
  const script = 'tar --format=gnu -cf - -C "$0" hole 2>/dev/null | head -c 512 >"$0/big.tar"';
  execFileSync('sh', ['-c', `${script}; truncate -s ${size + 1536} "$0/big.tar"`, directory]);
  await using tree = await openTarTree(join(directory, 'big.tar'), 'x', tempDirectory);
  expect(await tree.size('hole')).toBe(size);
});

describe("Docker's engine", () => {
  /** An engine's image store with one image, over a socket. */
  async function engine(answer: { readonly save?: string; readonly load?: string }) {
    const socket = join(tempDirectory(), 's');
    const got: { path: string; body: Buffer }[] = [];
    const server = createServer(async (request, response) => {
      got.push({ path: request.url ?? '', body: await bytesOf(request) });
      if (request.method === 'POST') response.end(answer.load ?? '{"stream":"Loaded image: x"}');
      else if (answer.save) response.end(readFileSync(answer.save));
      else response.writeHead(404).end('{"message":"No such image: x:1"}');
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = `unix://${socket}`;
    onTestFinished(() => {
      server.close();
      if (before === undefined) delete process.env.DOCKER_HOST;
      else process.env.DOCKER_HOST = before;
    });
    return got;
  }

  test('gives and takes images', async () => {
    const image = testImage('x');
    const path = await save(image, 'docker.io/library/x:1');
    const got = await engine({ save: path });
    const found = await dockerDaemonSource('docker.io/library/x:1', 'docker-daemon:x', tempDirectory);
    await copyImage(found, memorySink());
    await found[Symbol.asyncDispose]();
    await copyTars(source(image), dockerDaemonSink('docker.io/library/x:1', 'docker-daemon:x'));
    expect(got.map((request) => request.path)).toEqual([
      '/images/docker.io/library/x:1/get',
      '/images/load?quiet=1',
    ]);
    expect(got[1]?.body).toEqual(readFileSync(path));
  });

  test('tells what the engine said', async () => {
    await engine({ load: '{"errorDetail":{"message":"bad layer"},"error":"bad layer"}' });
    await expect(dockerDaemonSource('x:1', 'docker-daemon:x:1', tempDirectory)).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
      message: 'docker-daemon:x:1: No such image: x:1',
    });
    const loading = copyTars(source(testImage('x')), dockerDaemonSink('x', 'docker-daemon:x'));
    await expect(loading).rejects.toMatchObject({
      side: 'destination',
      message: expect.stringMatching(/bad layer/),
    });
  });

  test('says where no engine answers', async () => {
    await engine({});
    process.env.DOCKER_HOST = 'unix:///nonexistent/socket';
    await expect(dockerDaemonSource('x', 'l', tempDirectory)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(copyTars(source(testImage('x')), dockerDaemonSink('x', 'l'))).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
    process.env.DOCKER_HOST = 'tcp://127.0.0.1:1';
    await expect(dockerDaemonSource('x', 'l', tempDirectory)).rejects.toMatchObject({
      code: 'E_UNSUPPORTED',
    });
  });
});

test('a pipe is written to, not replaced', async () => {
  const path = join(tempDirectory(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reading = promisify(execFile)('cat', [path], { encoding: 'buffer' });
  await using sink = dockerArchiveSink(await fileTarget(path), [], 'x');
  await copyTars(source(plain), sink);
  expect((await reading).stdout).toEqual(readFileSync(await save(plain)));
});
