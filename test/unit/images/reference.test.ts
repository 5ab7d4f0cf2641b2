import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  baseName,
  canonicalName,
  familiarName,
  isImageId,
  isQualified,
  localCandidates,
  newImageName,
  parseReference,
} from '../../../src/images/reference.ts';

const HEX = 'a'.repeat(64);

describe('parseReference', () => {
  test.each([
    ['alpine', 'docker.io/library/alpine:latest', 'alpine'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine:3.20'],
    ['me/app', 'docker.io/me/app:latest', 'me/app'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest', 'alpine'],
    ['docker.io/library/alpine', 'docker.io/library/alpine:latest', 'alpine'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest', 'alpine'],
    ['registry-1.docker.io/me/app', 'docker.io/me/app:latest', 'me/app'],
    ['docker.io/a/b/c', 'docker.io/a/b/c:latest', 'a/b/c'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['quay.io/me/app', 'quay.io/me/app:latest', 'quay.io/me/app'],
    ['host:5000/x', 'host:5000/x:latest', 'host:5000/x'],
    ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x'],
    ['Host/x', 'Host/x:latest', 'Host/x'],
    ['a', 'docker.io/library/a:latest', 'a'],
    ['library/alpine', 'docker.io/library/alpine:latest', 'alpine'],
    ['a__b/c--d.e', 'docker.io/a__b/c--d.e:latest', 'a__b/c--d.e'],
    [`alpine@sha256:${HEX}`, `docker.io/library/alpine@sha256:${HEX}`, `alpine@sha256:${HEX}`],
    [`q.io/a:1@sha256:${HEX}`, `q.io/a@sha256:${HEX}`, `q.io/a:1@sha256:${HEX}`],
  ])('%s is %s', (text, canonical, familiar) => {
    const reference = parseReference(text);
    expect(canonicalName(reference)).toBe(canonical);
    expect(familiarName(reference)).toBe(familiar);
  });

  test.each([
    ['', 'the name is empty'],
    ['Alpine', 'lower case'],
    ['a/B', 'lower case'],
    ['alpine:', 'not a tag'],
    [`alpine:${'a'.repeat(129)}`, 'not a tag'],
    ['alpine:-x', 'not a tag'],
    ['alpine:../x', 'not a registry host'],
    ['../x', 'not'],
    ['a//b', 'not allowed'],
    ['/a', 'not allowed'],
    ['a/', 'not allowed'],
    ['a b', 'not allowed'],
    ['a%2e%2e/b', 'not allowed'],
    ['-rf', 'not allowed'],
    ['a\n', 'not allowed'],
    ['a___b', 'not allowed'],
    ['host.io:99999999/x', 'not a registry host'],
    ['ho_st.io/x', 'not a registry host'],
    ['http://quay.io/x', 'not'],
    ['alpine@sha256:abc', 'not a digest'],
    [`alpine@sha256:${HEX.toUpperCase()}`, 'not a digest'],
    ['alpine@sha256:../../x', 'not a digest'],
    [HEX, 'an image id'],
    [`q.io/${'a/'.repeat(130)}a`, 'longer than 255'],
  ])('refuses %j', (text, why) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
    expect(() => parseReference(text)).toThrow(why);
  });

  const component = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?$/);
  const host = fc.constantFrom(
    '',
    'localhost/',
    'localhost:5000/',
    'quay.io/',
    'docker.io/',
    'X.example.org:1/',
  );
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
  const suffix = fc.oneof(
    fc.constant(''),
    tag.map((text) => `:${text}`),
    fc.constant(`@sha256:${HEX}`),
    tag.map((text) => `:${text}@sha256:${HEX}`),
  );
  test('canonical and familiar forms read back as the same', () => {
    fc.assert(
      fc.property(host, fc.array(component, { minLength: 1, maxLength: 4 }), suffix, (h, path, s) => {
        const reference = parseReference(`${h}${path.join('/')}${s}`);
        expect(canonicalName(parseReference(canonicalName(reference)))).toBe(canonicalName(reference));
        expect(parseReference(familiarName(reference))).toEqual(reference);
      }),
    );
  });

  test('never throws anything but E_USAGE', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        try {
          canonicalName(parseReference(text));
        } catch (error) {
          expect(error).toMatchObject({ code: 'E_USAGE' });
        }
      }),
    );
  });
});

describe('short names', () => {
  test('new images live in localhost unless they name a registry', () => {
    expect(newImageName('app')).toBe('localhost/app:latest');
    expect(newImageName('me/app:1')).toBe('localhost/me/app:1');
    expect(newImageName('docker.io/app')).toBe('docker.io/library/app:latest');
    expect(newImageName('localhost:5000/app')).toBe('localhost:5000/app:latest');
  });

  test('local look-ups try localhost first', () => {
    expect(localCandidates('app:1')).toEqual(['localhost/app:1', 'docker.io/library/app:1']);
    expect(localCandidates('me/app')).toEqual(['localhost/me/app:latest', 'docker.io/me/app:latest']);
    expect(localCandidates('quay.io/app')).toEqual(['quay.io/app:latest']);
  });

  test('the parts that other rooms ask for', () => {
    expect(isQualified('quay.io/x')).toBe(true);
    expect(isQualified('a/x')).toBe(false);
    expect(baseName(parseReference('quay.io/a/b/fedora:3'))).toBe('fedora');
    expect(['abc', HEX, `sha256:${HEX}`].map(isImageId)).toEqual([true, true, true]);
    expect(['ab', 'xyz', `${HEX}a`, 'sha256:abc'].map(isImageId)).toEqual([false, false, false, false]);
  });
});
