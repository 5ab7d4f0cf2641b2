import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { decodeConfig, decodeManifest } from '../../../src/images/decode.ts';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../../src/images/media-types.ts';

const D = `sha256:${'a'.repeat(64)}`;
const config = { mediaType: OCI_CONFIG, digest: D, size: 2 };
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: D, size: 3 };
const manifest = (change: object = {}) => ({ schemaVersion: 2, config, layers: [layer], ...change });
const index = (change: object = {}) => ({
  schemaVersion: 2,
  manifests: [{ ...layer, mediaType: OCI_MANIFEST }],
  ...change,
});
const decode = (document: unknown, type?: string) =>
  decodeManifest(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), type, 'it');

describe('decodeManifest', () => {
  test('tells images from indexes, of both formats', () => {
    expect(decode(manifest({ mediaType: OCI_MANIFEST })).kind).toBe('manifest');
    expect(decode(manifest(), DOCKER_MANIFEST).mediaType).toBe(DOCKER_MANIFEST);
    expect(decode(index(), DOCKER_LIST).kind).toBe('index');
    expect(decode(index()).mediaType).toBe(OCI_INDEX);
    expect(decode(manifest()).mediaType).toBe(OCI_MANIFEST);
    const old = { ...config, mediaType: 'application/vnd.docker.container.image.v1+json' };
    expect(decode(manifest({ config: old })).mediaType).toBe(DOCKER_MANIFEST);
  });

  test('ignores parameters and types that say nothing', () => {
    for (const type of [
      `${OCI_MANIFEST}; charset=utf-8`,
      'text/plain',
      'application/json',
      '',
      OCI_MANIFEST.toUpperCase(),
    ]) {
      expect(decode(manifest(), type).mediaType).toBe(OCI_MANIFEST);
    }
  });

  test('keeps fields that it does not know', () => {
    const found = decode(manifest({ 'x-y': [1], layers: [{ ...layer, z: { a: null } }] }));
    expect(JSON.parse(JSON.stringify(found))).toMatchObject({
      manifest: { 'x-y': [1], layers: [{ z: { a: null } }] },
    });
  });

  test('reads null lists and members as absent', () => {
    expect(decode(manifest({ layers: null, annotations: null }))).toMatchObject({ manifest: { layers: [] } });
    expect(decode(index({ manifests: null }))).toMatchObject({ index: { manifests: [] } });
  });

  test.each([
    ['index and image at once', { ...manifest(), ...index() }, undefined, /at once/],
    ['index with a config', index({ config }), undefined, /at once/],
    ['an index sent as an image', index(), OCI_MANIFEST, /but holds manifests/],
    ['an image sent as an index', manifest(), OCI_INDEX, /but holds layers/],
    [
      'another type than it was sent as',
      manifest({ mediaType: OCI_MANIFEST }),
      DOCKER_MANIFEST,
      /calls itself/,
    ],
    ['no config', { schemaVersion: 2, layers: [] }, undefined, /config/],
    [
      'Layers for layers',
      { schemaVersion: 2, config, Layers: [layer], layers: [] },
      undefined,
      /written layers/,
    ],
    ['Digest for digest', manifest({ layers: [{ ...layer, Digest: D }] }), undefined, /written digest/],
    ['a size in text', manifest({ layers: [{ ...layer, size: '12' }] }), undefined, /layers.0.size/],
    ['a negative size', manifest({ layers: [{ ...layer, size: -1 }] }), undefined, /size/],
    ['a broken size', manifest({ layers: [{ ...layer, size: 1.5 }] }), undefined, /size/],
    [
      'a size over 2^53',
      JSON.stringify(manifest()).replace('"size":3', '"size":9007199254740993'),
      undefined,
      /size/,
    ],
    [
      'a digest with a path',
      manifest({ layers: [{ ...layer, digest: 'sha256:../../x' }] }),
      undefined,
      /digest/,
    ],
    [
      'an upper-case digest',
      manifest({ layers: [{ ...layer, digest: D.toUpperCase() }] }),
      undefined,
      /digest/,
    ],
    [
      'an unknown algorithm',
      manifest({ layers: [{ ...layer, digest: `md5:${'a'.repeat(32)}` }] }),
      undefined,
      /digest/,
    ],
    [
      'a short sha512',
      manifest({ layers: [{ ...layer, digest: `sha512:${'a'.repeat(64)}` }] }),
      undefined,
      /digest/,
    ],
    ['annotations that are no text', manifest({ annotations: { a: 1 } }), undefined, /annotations/],
    ['an array', '[]', undefined, /not a JSON object/],
    ['something behind it', `${JSON.stringify(manifest())}x`, undefined, /follows/],
  ])('refuses %s', (_, document, type, message) => {
    expect(() => decode(document, type)).toThrow(expect.objectContaining({ code: 'E_INTEGRITY' }));
    expect(() => decode(document, type)).toThrow(message);
  });

  test.each([
    [{ schemaVersion: 1, fsLayers: [] }, undefined],
    [{}, 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    [{}, 'application/vnd.docker.distribution.manifest.v1+json'],
  ])('names schema 1 when it refuses it', (document, type) => {
    expect(() => decode(document, type)).toThrow(
      expect.objectContaining({ code: 'E_UNSUPPORTED', message: expect.stringMatching(/schema 1/) }),
    );
  });

  test('names types that are neither', () => {
    expect(() => decode(manifest(), 'application/vnd.oci.artifact.manifest.v1+json')).toThrow(
      /neither an image/,
    );
  });

  test('embedded data must be what its digest says', () => {
    const data = Buffer.from('{}');
    const right = { ...config, digest: digestOf(data), size: 2, data: data.toString('base64') };
    expect(decode(manifest({ config: right })).kind).toBe('manifest');
    expect(() => decode(manifest({ config: { ...right, digest: D } }))).toThrow(/embedded/);
    expect(() => decode(manifest({ config: { ...right, size: 3 } }))).toThrow(/embedded/);
    const entry = { ...right, mediaType: OCI_MANIFEST, data: Buffer.from('[]').toString('base64') };
    expect(() => decode(index({ manifests: [entry] }))).toThrow(/embedded/);
  });
});

describe('decodeConfig', () => {
  const read = (document: unknown) => decodeConfig(Buffer.from(JSON.stringify(document)), 'config');
  const rootfs = { type: 'layers', diff_ids: [D] };

  test("reads what Docker's engine writes: null for empty", () => {
    const found = read({
      architecture: 'amd64',
      os: 'linux',
      container_config: { Hostname: 'x' },
      config: {
        Env: ['A=b'],
        Cmd: null,
        Volumes: null,
        ExposedPorts: { '80/tcp': null },
        Healthcheck: { Test: null },
      },
      rootfs,
      history: [{ created_by: 'x', comment: null }],
    });
    expect(found.config).toEqual({ Env: ['A=b'], ExposedPorts: { '80/tcp': {} }, Healthcheck: {} });
    expect(found.history).toEqual([{ created_by: 'x' }]);
    expect(found).toHaveProperty('container_config.Hostname', 'x');
  });

  test('keys of prototypes are labels like others', () => {
    const labels = '{"__proto__":"a","constructor":"b"}';
    const text = `{"architecture":"a","os":"b","rootfs":{"type":"layers"},"config":{"Labels":${labels}}}`;
    const { config } = decodeConfig(Buffer.from(text), 'config');
    expect(Object.entries(config?.Labels ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });

  test.each([
    ['no rootfs', {}],
    ['a diffID that is none', { rootfs: { type: 'layers', diff_ids: ['x'] } }],
    ['an environment that is a map', { rootfs, config: { Env: { a: 'b' } } }],
    ['Rootfs for rootfs', { Rootfs: rootfs, rootfs }],
    ['labels that are numbers', { rootfs, config: { Labels: { a: 1 } } }],
  ])('refuses %s', (_, document) => {
    expect(() => read(document)).toThrow(expect.objectContaining({ code: 'E_INTEGRITY' }));
  });
});
