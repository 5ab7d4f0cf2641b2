import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { buildImage } from '../../../src/images/build-image.ts';
import {
  createdOf,
  diffIdsFor,
  emptyConfig,
  encodeConfig,
  stringMap,
  withEnv,
  withKey,
} from '../../../src/images/config.ts';
import { convertManifest } from '../../../src/images/convert.ts';
import { decodeConfig, decodeManifest } from '../../../src/images/decode.ts';
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../../../src/images/media-types.ts';
import {
  appendHistory,
  appendLayer,
  changeConfig,
  changeSettings,
  derivedFrom,
  stampConfig,
} from '../../../src/images/mutate.ts';
import { parsePlatform } from '../../../src/images/platform.ts';
import type { ImageConfig } from '../../../src/images/types.ts';
import { testImage } from './fixtures.ts';

const D = digestOf('layer');
const start = emptyConfig(parsePlatform('linux/arm64'));

describe('configurations', () => {
  test('are written in one order, whatever order they were made in', () => {
    const made = changeSettings(start, {
      Shell: ['/bin/sh'],
      Labels: stringMap([
        ['b', '2'],
        ['10', 'x'],
        ['9', 'y'],
        ['__proto__', 'p'],
      ]),
      User: 'me',
    });
    expect(encodeConfig(changeConfig(made, { created: '2026-01-01T00:00:00Z' })).toString()).toBe(
      '{"created":"2026-01-01T00:00:00Z","architecture":"arm64","os":"linux","config":{"User":"me","Labels":{"10":"x","9":"y","__proto__":"p","b":"2"},"Shell":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}',
    );
  });

  test('read back as they were written', () => {
    const full = appendLayer(
      changeSettings(start, {
        Healthcheck: { Test: ['NONE'], Interval: 30_000_000_000 },
        OnBuild: ['RUN x'],
        ExposedPorts: { '80/tcp': {} },
      }),
      D,
      { created_by: 'a' },
    );
    expect(decodeConfig(encodeConfig(full), 'c')).toEqual(full);
  });

  test('never change in place', () => {
    const before = encodeConfig(start).toString();
    appendLayer(start, D, {});
    appendHistory(start, { created_by: 'x' });
    changeSettings(start, { User: 'x' });
    expect(encodeConfig(start).toString()).toBe(before);
  });

  test('undefined takes a setting away', () => {
    const named = changeSettings(start, { User: 'x', Cmd: ['y'] });
    expect(changeSettings(named, { User: undefined }).config).toEqual({ Cmd: ['y'] });
  });

  test('history tells of as many layers as there are', () => {
    const base: ImageConfig = {
      ...start,
      rootfs: { type: 'layers', diff_ids: [D, D] },
      history: [{ created_by: '1' }],
    };
    const { history = [] } = appendLayer(base, D, { created_by: '3' });
    expect(history.filter((entry) => !entry.empty_layer)).toHaveLength(3);
    const surplus = appendHistory({ ...start, history: [{ created_by: 'a' }] }, { created_by: 'b' });
    expect(surplus.history?.every((entry) => entry.empty_layer)).toBe(true);
  });

  test('a derived image says nothing of how its base was made', () => {
    const base = {
      ...start,
      container_config: {},
      docker_version: '1',
      'moby.buildkit.buildinfo.v1': 'x',
      other: 1,
    };
    expect(Object.keys(derivedFrom(base as ImageConfig))).toEqual([...Object.keys(start), 'other']);
  });

  test('stamping sets the time of the image and of new entries', () => {
    const made = appendHistory(appendHistory(start, { created: 'old' }), { created: 'new' });
    const stamped = stampConfig(made, new Date(1_000_000_000_000), 1);
    expect(stamped.created).toBe('2001-09-09T01:46:40Z');
    expect(stamped.history?.map(({ created }) => created)).toEqual(['old', '2001-09-09T01:46:40Z']);
    expect(createdOf(stamped)).toBe(1_000_000_000_000);
    expect(createdOf({ ...start, created: 'yesterday' })).toBe(0);
  });

  test('layers and diffIDs must pair', () => {
    expect(() => diffIdsFor(start, 1, 'x')).toThrow(/has 1 layers but its configuration names 0/);
    expect(diffIdsFor(appendLayer(start, D, {}), 1, 'x')).toEqual([D]);
  });

  test('maps and environments', () => {
    expect(Object.keys(withKey(withKey(undefined, 'a', 'x'), 'a', undefined))).toEqual([]);
    expect(withKey(undefined, '__proto__', 'x')).toHaveProperty(['__proto__'], 'x');
    expect(withEnv(['A=1', 'AB=2'], 'A', '3')).toEqual(['A=3', 'AB=2']);
    expect(withEnv(['A=1'], 'B', 'x=y')).toEqual(['A=1', 'B=x=y']);
    expect(withEnv(['A=1', 'B=2'], 'A', undefined)).toEqual(['B=2']);
  });
});

describe('manifests', () => {
  test('the same parts give the same bytes, in the order that Go writes', () => {
    const image = testImage('x', { layers: ['a'] });
    expect(testImage('x', { layers: ['a'] }).manifest.digest).toBe(image.manifest.digest);
    expect(image.manifest.bytes.toString()).toMatch(
      /^\{"schemaVersion":2,"mediaType":"[^"]+","config":\{"mediaType":"[^"]+","digest":"[^"]+","size":\d+\},"layers":\[\{"mediaType":"[^"]+","digest":"[^"]+","size":\d+\}\],"annotations":\{"org.example":"x"\}\}$/,
    );
  });

  test('convert to the other format and back, layers and configuration untouched', () => {
    const image = testImage('x');
    const { manifest } = read(image.manifest.bytes);
    const docker = convertManifest(manifest, 'docker');
    expect(docker.mediaType).toBe(DOCKER_MANIFEST);
    expect(read(docker.bytes).manifest.config.digest).toBe(manifest.config.digest);
    expect(docker.bytes.toString()).not.toContain('oci');
    const back = read(convertManifest(read(docker.bytes).manifest, 'oci').bytes).manifest;
    expect(back.mediaType).toBe(OCI_MANIFEST);
    expect(back.layers).toEqual(manifest.layers);
  });

  test("Docker's format has no zstd", () => {
    const { manifest } = read(testImage('x', { compression: 'zstd' }).manifest.bytes);
    expect(() => convertManifest(manifest, 'docker')).toThrow(
      expect.objectContaining({ code: 'E_UNSUPPORTED' }),
    );
  });

  test('foreign layers keep their addresses, unknown ones are refused', () => {
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: D,
      size: 1,
      urls: ['https://example.org/x'],
    };
    const parts = { config: start, format: 'oci', layers: [foreign] } as const;
    expect(buildImage(parts).manifest.bytes.toString()).toContain(
      '"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"',
    );
    expect(buildImage(parts).manifest.bytes.toString()).toContain('"urls":["https://example.org/x"]');
    const unknown = { ...parts, layers: [{ ...foreign, mediaType: 'application/x' }] };
    expect(() => buildImage(unknown)).toThrow(/application\/x/);
  });

  function read(bytes: Buffer) {
    const document = decodeManifest(bytes, undefined, 'it');
    if (document.kind !== 'manifest') throw new Error('an index');
    return document;
  }
});
