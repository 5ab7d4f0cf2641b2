import { describe, expect, test } from 'vitest';
import {
  apiHost,
  canonicalHost,
  checkHost,
  checkRepository,
  checkTag,
  isLoopbackHost,
  settingsOf,
} from '../../../src/registry/config.ts';

describe('names', () => {
  test.each(['a', 'library/debian', 'a-b/c__d/e.f', 'a--b', 'x'.repeat(255)])('repository %s', (name) => {
    expect(checkRepository(name)).toBe(name);
  });
  test.each([
    '',
    'A',
    'a//b',
    '/a',
    'a/',
    '../a',
    'a/../b',
    'a%2e',
    'a b',
    '-a',
    'a_-b',
    'x'.repeat(256),
    'a\nb',
  ])('no repository %j', (name) => expect(() => checkRepository(name)).toThrow('malformed repository'));
  test.each(['latest', '_x', '1.0-a_B', 'x'.repeat(128)])('tag %s', (tag) => expect(checkTag(tag)).toBe(tag));
  test.each(['', '-x', '.x', '../x', 'a/b', 'a b', 'x'.repeat(129), 'a%20'])('no tag %j', (tag) => {
    expect(() => checkTag(tag)).toThrow('malformed tag');
  });
  test.each(['docker.io', 'Registry.Example:5000', '10.0.0.1:1', '[::1]:5000', 'localhost'])(
    'host %s',
    (host) => {
      expect(checkHost(host)).toBe(host.toLowerCase());
    },
  );
  test.each(['', 'a/b', 'u@h', 'h:', 'h:x', 'h:123456', '-h', 'h?x', 'h#', 'a..b', '[::1', 'h\u001b[0m'])(
    'no host %j',
    (host) => expect(() => checkHost(host)).toThrow('malformed registry host'),
  );
});

test('Docker Hub has one name and its own API host', () => {
  expect(['docker.io', 'index.docker.io', 'registry-1.docker.io'].map(canonicalHost)).toEqual(
    Array(3).fill('docker.io'),
  );
  expect(apiHost('index.docker.io')).toBe('registry-1.docker.io');
  expect(canonicalHost('docker.io.evil.example')).toBe('docker.io.evil.example');
});

test('loopback hosts', () => {
  for (const host of ['localhost', 'localhost:5000', '127.0.0.1:1', '127.9.9.9', '[::1]:5'])
    expect(isLoopbackHost(host)).toBe(true);
  for (const host of ['localhost.example', '128.0.0.1', '127.0.0.1.example', '[::2]', 'xlocalhost']) {
    expect(isLoopbackHost(host)).toBe(false);
  }
});

test('--tls-verify goes before what is known of the host, and holds for no other', () => {
  const hosts = new Map([['a:1', { insecure: true, certDir: '/c' }]]);
  expect(settingsOf('a:1', { hosts })).toMatchObject({ insecure: true, certDir: '/c' });
  expect(settingsOf('a:1', { hosts, tlsVerify: true })).toMatchObject({ insecure: false });
  expect(settingsOf('b', { hosts })).toMatchObject({ insecure: false });
  expect(settingsOf('b', { tlsVerify: false, certDir: '/d' })).toMatchObject({
    insecure: true,
    certDir: '/d',
  });
});
