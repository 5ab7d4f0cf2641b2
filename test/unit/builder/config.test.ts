import { describe, expect, test } from 'vitest';
import { type ConfigChange, configured, portKeys } from '../../../src/builder/config.ts';
import { parseNetwork } from '../../../src/builder/network.ts';
import { parseSecurity } from '../../../src/builder/security.ts';
import type { ContainerState } from '../../../src/builder/state.ts';
import { explainMiss } from '../../../src/builder/step.ts';
import { parseVolume } from '../../../src/builder/volumes.ts';
import type { ContainerConfig } from '../../../src/images/types.ts';

function state(config: ContainerConfig = {}): ContainerState {
  return {
    version: 1,
    base: { name: null, id: null, manifest: null, layers: 0, history: 0 },
    image: {
      os: 'linux',
      architecture: 'amd64',
      config,
      rootfs: { type: 'layers', diff_ids: [] },
      history: [],
    },
    format: 'oci',
    annotations: { kept: 'yes' },
    run: {},
  };
}

const changed = (change: ConfigChange, config: ContainerConfig = {}) =>
  configured(state(config), change).image.config;

describe('config', () => {
  test.each<[string, ConfigChange, ContainerConfig, ContainerConfig]>([
    [
      'sets variables in order, expanded',
      { env: { B: '$A/x', C: `\${B}` } },
      { Env: ['A=1'] },
      { Env: ['A=1', 'B=1/x', 'C=1/x'] },
    ],
    [
      'keeps what is no reference',
      { plainEnv: { P: 'a$A' }, env: { Q: '$P' } },
      { Env: ['A=1'] },
      { Env: ['A=1', 'P=a$A', 'Q=a$A'] },
    ],
    ['removes a variable', { env: { A: null } }, { Env: ['A=1', 'B=2'] }, { Env: ['B=2'] }],
    ['the last variable takes the list away', { env: { A: null } }, { Env: ['A=1'] }, {}],
    ['clears before it adds', { clearEnv: true, env: { N: 'x' } }, { Env: ['A=1'] }, { Env: ['N=x'] }],
    [
      'labels',
      { labels: { a: 'b', c: null } },
      { Labels: { c: 'd', e: 'f' } },
      { Labels: { e: 'f', a: 'b' } },
    ],
    [
      'ports are single and have a protocol',
      { ports: { add: ['80', '53/UDP', '8000-8001'] } },
      {},
      {
        ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {} },
      },
    ],
    ['a port goes', { ports: { remove: ['80'] } }, { ExposedPorts: { '80/tcp': {} } }, {}],
    ['an empty user means none', { user: '' }, { User: 'app' }, {}],
    ['cmd null', { cmd: null }, { Cmd: ['x'] }, {}],
    [
      'health checks are merged',
      { healthcheck: { Retries: 3 } },
      { Healthcheck: { Test: ['CMD', 'x'] } },
      {
        Healthcheck: { Test: ['CMD', 'x'], Retries: 3 },
      },
    ],
    ['onbuild adds up', { onbuild: ['RUN b'] }, { OnBuild: ['RUN a'] }, { OnBuild: ['RUN a', 'RUN b'] }],
  ])('%s', (_, change, before, expected) => {
    expect(changed(change, before)).toEqual(expected);
  });

  test('names that are properties of every object are data', () => {
    const labels = JSON.parse('{"__proto__": "x", "constructor": "y"}');
    const config = changed({ labels });
    expect(Object.entries(config?.Labels ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  test('the image and its annotations', () => {
    const next = configured(state(), {
      author: 'me',
      architecture: 'arm64',
      annotations: { a: 'b', kept: null },
    });
    expect(next.image).toMatchObject({ author: 'me', architecture: 'arm64' });
    expect(next.annotations).toEqual({ a: 'b' });
  });

  test.each(['', 'http', '80-70', '70000', '80/'])('%j is no port', (text) => {
    expect(() => portKeys(text)).toThrow(/invalid port/);
  });
});

describe('volumes', () => {
  test('options', () => {
    expect(parseVolume('src:/dst:ro,U,nosuid,rslave', '/ctx')).toEqual({
      source: '/ctx/src',
      target: '/dst',
      readonly: true,
      overlay: false,
      chown: true,
      recursive: true,
      flags: ['nosuid'],
      propagation: 'rslave',
    });
  });

  test.each(['/only', '/a:rel', '/a:/b:what', '/a:/b:ro,rw', '/a:/b:upperdir=/x', ':/b', '/a:/b:ro:x'])(
    '%j is refused',
    (text) => {
      expect(() => parseVolume(text, '/')).toThrow(/invalid volume/);
    },
  );
});

describe('words', () => {
  test.each([
    [undefined, { kind: 'host' }],
    ['none', { kind: 'none' }],
    ['private', { kind: 'private', program: 'auto', options: [] }],
    ['pasta:-4,--mtu', { kind: 'private', program: 'pasta', options: ['-4', '--mtu'] }],
    ['ns:/run/netns/x', { kind: 'path', path: '/run/netns/x' }],
  ])('network %j', (text, expected) => {
    expect(parseNetwork(text)).toEqual(expected);
  });

  test('what bld cannot do is refused, not ignored', () => {
    expect(() => parseNetwork('mynet')).toThrow(/no network "mynet"/);
    expect(() => parseSecurity(['apparmor=strict'])).toThrow(/not provided/);
    expect(parseSecurity(['seccomp=unconfined', 'label=disable', 'no-new-privileges'])).toEqual({
      seccomp: 'unconfined',
      masked: 'default',
      noNewPrivileges: true,
    });
  });
});

describe('explainMiss', () => {
  const last = {
    inputs: [
      ['command', 'a'],
      ['env X', '1'],
      ['gone', 'y'],
    ],
  } as unknown as Parameters<typeof explainMiss>[0];

  test.each([
    [[['command', 'b']], /^command was "a", is "b"$/],
    [
      [
        ['command', 'a'],
        ['env Y', '2'],
      ],
      /^env Y is new: "2"$/,
    ],
    [
      [
        ['command', 'a'],
        ['env X', '1'],
      ],
      /^gone is gone/,
    ],
    [
      [
        ['command', 'a'],
        ['env X', '1'],
        ['gone', 'y'],
      ],
      /files it starts from/,
    ],
  ] as const)('names the first input that differs', (inputs, expected) => {
    expect(explainMiss(last, inputs)).toMatch(expected);
  });

  test('a step that is new', () => {
    expect(explainMiss(null, [])).toBe('it was never done before');
  });
});
