import { expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { decodeManifest } from '../../../src/images/decode.ts';
import {
  addToIndex,
  ambiguousPlatforms,
  annotateEntry,
  annotateIndex,
  emptyIndex,
  encodeIndex,
  removeFromIndex,
} from '../../../src/images/manifest-list.ts';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/images/media-types.ts';
import { parsePlatform } from '../../../src/images/platform.ts';

const entry = (name: string, platform: string, mediaType = OCI_MANIFEST) => ({
  mediaType,
  digest: digestOf(name),
  size: 1,
  platform: parsePlatform(platform),
});
const two = addToIndex(addToIndex(emptyIndex(), entry('a', 'linux/amd64')), entry('b', 'linux/arm64'));

test('images are added, replaced where they stand, and removed', () => {
  const digests = ({ manifests }: typeof two) => manifests.map(({ digest }) => digest);
  expect(digests(two)).toEqual([digestOf('a'), digestOf('b')]);
  const changed = addToIndex(two, entry('a', 'linux/s390x'));
  expect(digests(changed)).toEqual(digests(two));
  expect(changed.manifests[0]?.platform?.architecture).toBe('s390x');
  expect(digests(removeFromIndex(two, digestOf('a')))).toEqual([digestOf('b')]);
  expect(() => removeFromIndex(two, digestOf('z'))).toThrow(expect.objectContaining({ code: 'E_NOT_FOUND' }));
  expect(digests(two)).toHaveLength(2);
});

test('entries and the index are annotated', () => {
  const changed = annotateEntry(
    annotateEntry(two, digestOf('b'), { annotations: { x: '1' } }),
    digestOf('b'),
    {
      platform: { variant: 'v9' },
      annotations: { y: '2' },
    },
  );
  expect(changed.manifests[1]).toMatchObject({
    platform: { os: 'linux', architecture: 'arm64', variant: 'v9' },
    annotations: { x: '1', y: '2' },
  });
  expect(annotateIndex(two, { z: '3' }).annotations).toEqual({ z: '3' });
  expect(() => annotateEntry(two, digestOf('z'), {})).toThrow(
    expect.objectContaining({ code: 'E_NOT_FOUND' }),
  );
});

test('the bytes are read back; the format is that of the images', () => {
  const raw = encodeIndex(two);
  expect(raw.mediaType).toBe(OCI_INDEX);
  expect(decodeManifest(raw.bytes, OCI_INDEX, 'index')).toMatchObject({ index: two });
  const docker = addToIndex(emptyIndex(), entry('a', 'linux/amd64', DOCKER_MANIFEST));
  expect(encodeIndex(docker).mediaType).toBe(DOCKER_LIST);
  expect(encodeIndex(annotateIndex(docker, { a: 'b' })).mediaType).toBe(OCI_INDEX);
  expect(encodeIndex(docker, 'oci').mediaType).toBe(OCI_INDEX);
});

test('platforms that are there twice are told', () => {
  expect(ambiguousPlatforms(two)).toEqual([]);
  expect(ambiguousPlatforms(addToIndex(two, entry('c', 'linux/aarch64')))).toEqual(['linux/arm64']);
});
