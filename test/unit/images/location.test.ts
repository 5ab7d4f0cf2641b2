import { describe, expect, test } from 'vitest';
import { formatLocation, parseDestination, parseLocation } from '../../../src/images/location.ts';

const HEX = 'b'.repeat(64);

test.each([
  ['docker://alpine', 'docker://docker.io/library/alpine:latest'],
  ['docker://q.io/a/b:1', 'docker://q.io/a/b:1'],
  [`docker://q.io/a:1@sha256:${HEX}`, `docker://q.io/a@sha256:${HEX}`],
  ['dir:/tmp/x', 'dir:/tmp/x'],
  ['dir:/tmp/x:y', 'dir:/tmp/x:y'],
  ['oci:/tmp/x', 'oci:/tmp/x'],
  ['oci:/tmp/x:', 'oci:/tmp/x'],
  ['oci:/tmp/x:v1', 'oci:/tmp/x:v1'],
  ['oci:/tmp/x:docker.io/a/b:1', 'oci:/tmp/x:docker.io/a/b:1'],
  ['oci-archive:x.tar:@2', 'oci-archive:x.tar:@2'],
  ['docker-archive:x.tar', 'docker-archive:x.tar'],
  ['docker-archive:x.tar:busybox:1', 'docker-archive:x.tar:busybox:1'],
  ['docker-daemon:busybox:1', 'docker-daemon:docker.io/library/busybox:1'],
  [`docker-daemon:sha256:${HEX}`, `docker-daemon:sha256:${HEX}`],
  ['containers-storage:localhost/x', 'containers-storage:localhost/x'],
])('%s', (text, expected) => {
  const location = parseLocation(text);
  expect(location && formatLocation(location)).toBe(expected);
});

describe('names without a transport', () => {
  test.each(['alpine', 'alpine:3', 'docker:27-dind', 'localhost:5000/x', 'dir', 'q.io/dir:x'])(
    '%s',
    (text) => {
      expect(parseLocation(text)).toBe(null);
      expect(parseDestination(text).transport).toBe('docker');
    },
  );
});

test.each([
  'docker://',
  'docker://Alpine',
  'dir:',
  'oci:',
  'oci::tag',
  'oci:/x:a b',
  'oci:/x:-a/b',
  'docker-daemon:',
  'docker-daemon:busybox',
  'containers-storage:',
  'containers-storage:[overlay@/x]y',
  'sif:/x',
  'ostree:x',
  'https://q.io/x',
])('refuses %s', (text) => {
  expect(() => parseLocation(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
});
