import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ContainerState } from '../../../src/builder/state.ts';
import { capabilityNames } from '../../../src/cli/capability-names.ts';
import { splitName } from '../../../src/cli/image-names.ts';
import { type ContainerFacts, type ImageFacts, inspection } from '../../../src/cli/inspection.ts';
import type { ImageConfig } from '../../../src/images/types.ts';
import { parseCapabilities } from '../../../src/runtime/capabilities.ts';
import type { ContainerRecord } from '../../../src/store/types.ts';

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../golden/format/image.json'), 'utf8'));
const config = JSON.parse(golden.Config) as ImageConfig;

const facts: ImageFacts = {
  config,
  rawConfig: golden.Config,
  rawManifest: golden.Manifest,
  name: golden.FromImage,
  id: golden.FromImageID,
  digest: golden.FromImageDigest,
  annotations: null,
};

describe('inspect', () => {
  test("an image's document is Buildah's", () => {
    const document = JSON.parse(JSON.stringify(inspection(facts)));
    // what Buildah says of a host name that it made up for itself
    for (const part of ['container_config', 'config']) expect(document.Docker[part].Hostname).toBe('sandbox');
    expect(document).toEqual(golden);
    expect(Object.keys(document)).toEqual(Object.keys(golden));
    expect(Object.keys(document.Docker)).toEqual(Object.keys(golden.Docker));
    expect(Object.keys(document.OCIv1.config)).toEqual(Object.keys(golden.OCIv1.config));
  });

  test("a container's document tells how it runs", () => {
    const run = {
      network: 'none',
      pid: 'host',
      ipc: '/proc/1/ns/ipc',
      groupAdd: ['audio'],
      isolation: 'chroot',
    };
    const container: ContainerFacts = {
      record: { id: 'c'.repeat(64), name: 'web' } as ContainerRecord,
      state: { run, createdBy: 'me' } as unknown as ContainerState,
      mountPoint: '/mnt',
      capabilities: ['CAP_CHOWN'],
    };
    expect(inspection({ ...facts, annotations: { b: '2', a: '1' } }, container)).toMatchObject({
      Container: 'web',
      ContainerID: 'c'.repeat(64),
      MountPoint: '/mnt',
      ImageAnnotations: { a: '1', b: '2' },
      ImageCreatedBy: 'me',
      Isolation: 'chroot',
      GroupAdd: ['audio'],
      ConfigureNetwork: 'NetworkDisabled',
      Capabilities: ['CAP_CHOWN'],
      NamespaceOptions: expect.arrayContaining([
        { Name: 'pid', Host: true, Path: '' },
        { Name: 'ipc', Host: false, Path: '/proc/1/ns/ipc' },
      ]),
    });
  });

  test('an empty image has no empty fields in OCI form', () => {
    const empty: ImageConfig = {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [] },
    };
    expect(inspection({ ...facts, config: empty }).OCIv1).toEqual({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [] },
    });
  });
});

describe('names', () => {
  test.each([
    ['localhost/app:1', 'localhost/app', '1'],
    ['localhost:5000/app', 'localhost:5000/app', '<none>'],
    ['docker.io/library/app@sha256:abc', 'docker.io/library/app', '<none>'],
    [undefined, '<none>', '<none>'],
  ])('%s', (name, repository, tag) => expect(splitName(name)).toEqual({ Name: repository, Tag: tag }));

  test.each([
    [[], []],
    [['SYS_ADMIN'], ['cap_chown']],
    [['net_admin'], ['ALL']],
  ])("capabilities +%j -%j are the runtime's", (add, drop) => {
    const runtime = parseCapabilities(add, drop);
    expect(capabilityNames(add, drop)).toEqual(runtime.map((name) => `CAP_${name}`).sort());
  });
});
