import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/base/digest.ts';
import { copyImage } from '../../src/images/copy.ts';
import type { ImageFormat } from '../../src/images/media-types.ts';
import { formatPlatform, hostPlatform } from '../../src/images/platform.ts';
import { pullImage } from '../../src/images/pull.ts';
import { pushImage, pushIndex } from '../../src/images/push.ts';
import { storeSink } from '../../src/images/transports/store.ts';
import { openStore } from '../../src/store/store.ts';
import type { ImageRecord, Store } from '../../src/store/types.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { validateLayout, validateStored } from '../helpers/validate.ts';
import { memorySource, testImage, testIndex } from '../unit/images/fixtures.ts';

const run = promisify(execFile);

function has(...command: readonly [string, ...string[]]): boolean {
  try {
    execFileSync(command[0], command.slice(1), { stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    console.log(`${command.join(' ')} does not work here: its comparisons are left out`);
    return false;
  }
}

const skopeo = has('skopeo', '--version');
const umoci = has('umoci', '--version');
const podman = has('podman', 'info');
const docker = has('docker', 'info');

const platform = formatPlatform(hostPlatform());
const registry = { tlsVerify: false };
let directory: string;
let store: Store;
let server: TestRegistry;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bld-peers-'));
  store = openStore({ root: join(directory, 'store'), runroot: join(directory, 'run'), mode: 'root' });
  server = await TestRegistry.start();
});

afterAll(async () => {
  store[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

let count = 0;
const fresh = () => `n${count++}`;
const path = () => join(directory, fresh());

/** The raw manifest's digest, as skopeo reads it; skopeo also reads the configuration and every layer. */
async function bySkopeo(location: string): Promise<string> {
  const copy = path();
  await run('skopeo', ['copy', '-q', '--src-tls-verify=false', location, `dir:${copy}`]);
  const { stdout } = await run('skopeo', ['inspect', '--raw', '--tls-verify=false', location], {
    encoding: 'buffer',
  });
  return digestOf(stdout);
}

async function stored(label: string, format: ImageFormat, compression: 'gzip' | 'zstd' | 'none') {
  const image = testImage(label, { format, compression, platform });
  const name = `localhost/${fresh()}:latest`;
  await copyImage(memorySource(image.manifest, image.content), storeSink(store, { names: [name] }));
  const record = store.images.find(name);
  if (!record) throw new Error('not there');
  return { image, record };
}

const FORMS = [
  ['oci', 'gzip'],
  ['oci', 'zstd'],
  ['oci', 'none'],
  ['docker', 'gzip'],
] as const;

describe.skipIf(!skopeo)('skopeo', () => {
  test.each(FORMS)(
    'reads every place that an image of %s with %s layers is written to',
    async (format, compression) => {
      const { image, record } = await stored('out', format, compression);
      const name = fresh();
      const same = [`docker://${server.host}/${name}:v1`, `dir:${path()}`];
      const layouts = [`oci:${path()}:v1`, `oci-archive:${path()}:v1`, `oci-archive:${path()}`];
      for (const place of [...same, ...layouts]) {
        const { digest } = await pushImage(store, record, place, { registry });
        expect(await bySkopeo(place), place).toBe(digest);
        if (format === 'oci' || same.includes(place)) expect(digest).toBe(image.manifest.digest);
      }
      const archive = `docker-archive:${path()}:q.io/${name}:v1`;
      await pushImage(store, record, archive);
      await bySkopeo(archive);
      const { stdout } = await run('skopeo', ['inspect', '--config', '--raw', archive], {
        encoding: 'buffer',
      });
      expect(stdout).toEqual(image.configBytes);
    },
  );

  test.each(FORMS)('writes places that are read back: %s with %s layers', async (format, compression) => {
    const { image } = await stored('in', format, compression);
    const from = `${path()}`;
    await pushImage(store, store.images.find(image.manifest.digest) as ImageRecord, `dir:${from}`);
    const copied = async (place: string) => {
      const flags = ['-q', '--dest-tls-verify=false'];
      await run('skopeo', ['copy', ...flags, `dir:${from}`, place]);
      return place;
    };
    const zstd = compression === 'zstd';
    for (const place of [
      `docker://${server.host}/${fresh()}:v1`,
      `oci:${path()}:v1`,
      `oci-archive:${path()}:v1`,
      `dir:${path()}`,
    ]) {
      const pulled = await pullImage(store, await copied(place), { registry });
      expect(pulled.id, place).toBe(digestOf(image.configBytes));
      const { digest, mediaType } = pulled.manifest ?? { digest: '', mediaType: '' };
      expect(await bySkopeo(place)).toBe(digest);
      validateStored(store.root, digest, mediaType);
      if (zstd) expect(mediaType).toContain('oci');
    }
    if (zstd) return; // skopeo writes no such archive of zstd layers
    const archive = await copied(`docker-archive:${path()}:q.io/x:${fresh()}`);
    const loaded = await pullImage(store, archive);
    expect(loaded.id).toBe(digestOf(image.configBytes));
    expect(loaded.names.some((name) => name.startsWith('q.io/x:'))).toBe(true);
  });

  test('copies an index that was pushed, whole', async () => {
    const other = platform === 'linux/s390x' ? 'linux/riscv64' : 'linux/s390x';
    const images = [
      [platform, testImage('i', { platform })],
      [other, testImage('j', { platform: other })],
    ] as const;
    const { raw, content } = testIndex(images);
    await copyImage(memorySource(raw, content), storeSink(store, { names: ['localhost/all:1'] }), {
      select: 'all',
    });
    const record = store.images.findIndex('localhost/all:1');
    if (!record) throw new Error('not there');
    for (const place of [
      `docker://${server.host}/${fresh()}:v1`,
      `oci:${path()}:v1`,
      `oci-archive:${path()}:v1`,
      `dir:${path()}`,
    ]) {
      await pushIndex(store, record, place, { registry });
      const copy = path();
      await run('skopeo', ['copy', '-q', '--all', '--src-tls-verify=false', place, `oci:${copy}:v1`]);
      expect(validateLayout(copy), place).toHaveLength(2);
      const { stdout } = await run('skopeo', ['inspect', '--raw', '--tls-verify=false', place], {
        encoding: 'buffer',
      });
      expect(digestOf(stdout)).toBe(raw.digest);
    }
  });
});

describe.skipIf(!umoci)('umoci', () => {
  test('unpacks a layout', async () => {
    const { record } = await stored('umoci', 'oci', 'gzip');
    const layout = path();
    await pushImage(store, record, `oci:${layout}:v1`);
    await run('umoci', ['stat', '--image', `${layout}:v1`]);
    const bundle = path();
    await run('umoci', ['unpack', '--image', `${layout}:v1`, bundle]);
    expect(execFileSync('ls', [join(bundle, 'rootfs')], { encoding: 'utf8' })).toBe('umoci-a\numoci-b\n');
  });
});

describe.skipIf(!podman)('podman', () => {
  test.each(['docker-archive', 'oci-archive'])('loads a %s', async (transport) => {
    const { image, record } = await stored(fresh(), 'docker', 'gzip');
    const [file, name] = [path(), `localhost/bld-test:${fresh()}`];
    await pushImage(store, record, `${transport}:${file}:${name}`);
    await run('podman', ['load', '-q', '-i', file]);
    try {
      const { stdout } = await run('podman', ['image', 'inspect', '--format', '{{.Id}}', name]);
      expect(`sha256:${stdout.trim()}`).toBe(digestOf(image.configBytes));
    } finally {
      await run('podman', ['rmi', name]);
    }
  });
});

describe.skipIf(!docker)('docker', () => {
  test('takes images from an archive and by its engine, and gives them back', async () => {
    const { image, record } = await stored(fresh(), 'docker', 'gzip');
    const id = digestOf(image.configBytes);
    const [file, name] = [path(), `bld-test:${fresh()}`];
    const inspect = async () =>
      (await run('docker', ['image', 'inspect', '--format', '{{.Id}}', name])).stdout.trim();
    await pushImage(store, record, `docker-archive:${file}:${name}`);
    await run('docker', ['load', '-q', '-i', file]);
    expect(await inspect()).toBe(id);
    await run('docker', ['rmi', name]);
    await pushImage(store, record, `docker-daemon:${name}`);
    expect(await inspect()).toBe(id);
    const saved = path();
    await run('docker', ['save', '-o', saved, name]);
    expect((await pullImage(store, `docker-archive:${saved}`)).id).toBe(id);
    expect((await pullImage(store, `docker-daemon:${name}`)).id).toBe(id);
    await run('docker', ['rmi', name]);
  });
});
