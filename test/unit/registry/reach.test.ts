import { describe, expect, test } from 'vitest';
import {
  checkedLookup,
  literalReach,
  mayReach,
  type Reach,
  reachOf,
  wider,
} from '../../../src/registry/reach.ts';

describe('reachOf', () => {
  test.each<[string, Reach]>([
    ['8.8.8.8', 'public'],
    ['2606:4700::1', 'public'],
    ['127.0.0.1', 'loopback'],
    ['127.255.0.9', 'loopback'],
    ['::1', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.31.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.0.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd00::1', 'private'],
    ['169.254.169.254', 'forbidden'],
    ['0.0.0.0', 'forbidden'],
    ['::', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['224.0.0.1', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'forbidden'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['example.org', 'forbidden'],
  ])('%s is %s', (address, reach) => expect(reachOf(address)).toBe(reach));
});

test('a registry points only as near as it is itself', () => {
  const allowed = (['public', 'private', 'loopback'] as const).map((from) =>
    (['public', 'private', 'loopback', 'forbidden'] as const).filter((to) => mayReach(from, to)),
  );
  expect(allowed).toEqual([['public'], ['public', 'private'], ['public', 'private', 'loopback']]);
  expect(wider('loopback', 'public')).toBe('public');
  expect(wider('public', 'loopback')).toBe('public');
  expect(wider(undefined, 'private')).toBe('private');
});

test('host names of URLs: what needs no resolver', () => {
  for (const spelling of [
    '127.1',
    '2130706433',
    '0x7f.1',
    '[::1]',
    'localhost',
    'a.localhost',
    'LOCALHOST.',
  ]) {
    expect(literalReach(new URL(`http://${spelling}/`).hostname), spelling).toBe('loopback');
  }
  expect(literalReach('registry.example')).toBeUndefined();
});

test('checkedLookup hands over no address that the check refuses', async () => {
  const look = (check: (address: string) => void) =>
    new Promise((resolve) =>
      checkedLookup(check)('localhost', { all: true }, (error, addresses) => resolve(error ?? addresses)),
    );
  expect(await look(() => {})).toEqual(
    expect.arrayContaining([expect.objectContaining({ address: expect.any(String) })]),
  );
  const refused = await look((address) => {
    throw new Error(`no ${reachOf(address)}`);
  });
  expect(refused).toMatchObject({ message: 'no loopback' });
});
