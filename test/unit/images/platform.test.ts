import { describe, expect, test } from 'vitest';
import type { Descriptor } from '../../../src/base/descriptor.ts';
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformMatch,
} from '../../../src/images/platform.ts';

const entry = (platform: string | undefined, n: number): Descriptor => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${String(n).padStart(64, '0')}`,
  size: n,
  ...(platform !== undefined && { platform: parsePlatform(platform) }),
});

test.each([
  ['linux/x86_64', 'linux/amd64'],
  ['linux/aarch64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/arm/7', 'linux/arm/v7'],
  ['linux/arm', 'linux/arm'],
  ['LINUX/AMD64', 'linux/amd64'],
  ['linux/amd64/v2', 'linux/amd64/v2'],
  ['linux/i386', 'linux/386'],
  ['arm64', 'linux/arm64'],
  ['windows/amd64', 'windows/amd64'],
])('%s is %s', (text, expected) => {
  expect(formatPlatform(parsePlatform(text))).toBe(expected);
});

test.each(['', 'linux/', '/amd64', 'a/b/c/d', 'linux/am d64', 'linux/../x'])('refuses %j', (text) => {
  expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
});

test('the machine is a platform of its own', () => {
  expect(hostPlatform().os).toBe('linux');
  expect(parsePlatform('linux')).toEqual(hostPlatform());
  expect(parsePlatform('local')).toEqual(hostPlatform());
});

describe('choosing', () => {
  const match = (wanted: string, offered: string) =>
    platformMatch(parsePlatform(wanted), parsePlatform(offered));

  test('a variant runs what was made for older ones, never for newer ones', () => {
    expect(match('linux/arm/v7', 'linux/arm/v7')).toBeGreaterThan(match('linux/arm/v7', 'linux/arm/v6'));
    expect(match('linux/arm/v7', 'linux/arm/v6')).toBeGreaterThan(match('linux/arm/v7', 'linux/arm/v5'));
    expect(match('linux/arm/v6', 'linux/arm/v7')).toBe(-1);
    expect(match('linux/amd64', 'linux/amd64/v2')).toBe(-1);
    expect(match('linux/amd64/v3', 'linux/amd64')).toBeGreaterThan(0);
    expect(match('linux/arm64', 'linux/arm/v7')).toBe(-1);
    expect(match('linux/amd64', 'windows/amd64')).toBe(-1);
  });

  test('the best entry wins, the first of equals', () => {
    const entries = [
      entry('linux/arm/v5', 1),
      entry('linux/arm/v7', 2),
      entry('linux/arm/v7', 3),
      entry('linux/amd64', 4),
    ];
    expect(choosePlatform(entries, parsePlatform('linux/arm/v7'), 'x').size).toBe(2);
    expect(choosePlatform(entries, parsePlatform('linux/arm/v6'), 'x').size).toBe(1);
    expect(choosePlatform(entries, parsePlatform('linux/arm'), 'x').size).toBe(2);
  });

  test('there is no silent fallback', () => {
    const entries = [entry('linux/amd64', 1), entry('linux/s390x', 2)];
    expect(() => choosePlatform(entries, parsePlatform('linux/riscv64'), 'some/image')).toThrow(
      expect.objectContaining({
        code: 'E_NOT_FOUND',
        message: 'some/image has no image for linux/riscv64',
        hint: 'there is linux/amd64, linux/s390x: choose with --platform',
      }),
    );
    expect(() => choosePlatform([entry(undefined, 1), entry(undefined, 2)], hostPlatform(), 'x')).toThrow();
    expect(() => choosePlatform([], hostPlatform(), 'x')).toThrow(/no image for/);
  });

  test('a single image without a platform is taken, attestations are not images', () => {
    const attestation: Descriptor = {
      ...entry(undefined, 9),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    };
    expect(choosePlatform([attestation, entry(undefined, 1)], hostPlatform(), 'x').size).toBe(1);
  });
});
