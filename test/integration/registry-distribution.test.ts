import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAll, verified } from '../../src/base/streams.ts';
import { connect } from '../../src/registry/client.ts';
import { sha256 } from '../helpers/registry.ts';
import { noise, opener } from '../unit/registry/fixtures.ts';

const PROGRAM = '/usr/bin/docker-registry';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const installed = existsSync(PROGRAM);
if (!installed) console.warn(`skipped: ${PROGRAM} is not installed`);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.runIf(installed)('the distribution registry', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bld-distribution-'));
  let host = '';
  let child: ReturnType<typeof spawn> | undefined;

  beforeAll(async () => {
    const port = await freePort();
    host = `localhost:${port}`;
    const config = `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${directory}/data}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${port}"}\n`;
    writeFileSync(join(directory, 'config.yml'), config);
    child = spawn(PROGRAM, ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
    for (let turn = 0; turn < 100; turn++) {
      const up = await fetch(`http://127.0.0.1:${port}/v2/`).then(
        () => true,
        () => false,
      );
      if (up) break;
      await sleep(50);
    }
  });

  afterAll(() => {
    child?.kill();
    rmSync(directory, { recursive: true, force: true });
  });

  const bytes = noise(3_000_000);
  const descriptor = { mediaType: 'application/octet-stream', digest: sha256(bytes), size: bytes.length };

  test('push, mount, pull, tags, delete', async () => {
    const repository = connect(host, 'a/one');
    expect(await repository.hasBlob(descriptor.digest)).toBeNull();
    await repository.uploadBlob(descriptor, opener(bytes));
    expect(await repository.hasBlob(descriptor.digest)).toBe(bytes.length);
    const other = connect(host, 'a/two');
    expect(await other.mountBlob(descriptor.digest, 'a/none')).toBe(false);
    expect(await other.mountBlob(descriptor.digest, 'a/one')).toBe(true);

    const config = Buffer.from('{}');
    const configDescriptor = {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: sha256(config),
      size: 2,
    };
    await other.uploadBlob(configDescriptor, opener(config));
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: configDescriptor,
        layers: [descriptor],
      }),
    );
    const digest = await other.putManifest('v1', MANIFEST, body);
    expect(await other.getManifest('v1', [MANIFEST])).toEqual({ mediaType: MANIFEST, digest, bytes: body });
    expect(await other.headManifest(digest, [MANIFEST])).toEqual({
      mediaType: MANIFEST,
      digest,
      size: body.length,
    });
    const tags: string[] = [];
    for await (const tag of other.listTags()) tags.push(tag);
    expect(tags).toEqual(['v1']);
    await other.deleteManifest(digest);
    await expect(other.getManifest(digest, [MANIFEST])).rejects.toMatchObject({ status: 404 });
  });

  test('a range, verified from its start', async () => {
    const repository = connect(host, 'a/one');
    const whole = verified(await repository.openBlob(descriptor), descriptor, 'blob');
    expect((await readAll(whole, 1e9, 'blob')).equals(bytes)).toBe(true);
    const rest = await readAll(await repository.openBlob(descriptor, 1_234_567), 1e9, 'blob');
    expect(rest.equals(bytes.subarray(1_234_567))).toBe(true);
  });

  test('chunks', async () => {
    const chunked = connect(host, 'a/chunks', { chunkSize: 700_000 });
    const lines: string[] = [];
    await connect(host, 'a/chunks', { chunkSize: 700_000, debugHttp: (line) => lines.push(line) }).uploadBlob(
      descriptor,
      opener(bytes),
    );
    expect(lines.map((line) => line.split(' ')[0]).join(' ')).toBe('POST PATCH PATCH PATCH PATCH PUT');
    expect(await chunked.hasBlob(descriptor.digest)).toBe(bytes.length);
  });

  test('wrong bytes are not taken', async () => {
    const wrong = Buffer.from(bytes).fill(0, 0, 9);
    const upload = connect(host, 'a/wrong').uploadBlob(descriptor, opener(wrong));
    await expect(upload).rejects.toMatchObject({
      code: 'E_REGISTRY',
      message: expect.stringContaining('DIGEST_INVALID'),
    });
  });

  test('a manifest without its blobs is refused by a code', async () => {
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: { ...descriptor, digest: sha256('none') },
        layers: [],
      }),
    );
    await expect(connect(host, 'a/none').putManifest('v1', MANIFEST, body)).rejects.toMatchObject({
      status: 400,
      problems: [expect.objectContaining({ code: 'MANIFEST_BLOB_UNKNOWN' })],
    });
  });
});

test('the suite has a registry, or says that it has none', () => expect(typeof installed).toBe('boolean'));
