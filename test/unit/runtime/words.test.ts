import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nearest } from '../../../src/base/suggest.ts';
import {
  CAPABILITIES,
  capabilityMask,
  DEFAULT_CAPABILITIES,
  parseCapabilities,
} from '../../../src/runtime/capabilities.ts';
import { cpuWeight, ownCgroups, settingsV1, settingsV2 } from '../../../src/runtime/cgroup.ts';
import { interpreterOf } from '../../../src/runtime/exec-failure.ts';
import { failureError } from '../../../src/runtime/failure.ts';
import { hostsText } from '../../../src/runtime/hosts.ts';
import { resolvConf } from '../../../src/runtime/resolver.ts';
import { parseRlimit, rlimitNumber, rlimitValue } from '../../../src/runtime/rlimits.ts';
import { Wire } from '../../../src/runtime/wire.ts';

const fails = (code: string, hint?: string) =>
  expect.objectContaining({ code, ...(hint !== undefined && { hint }) });

describe('capabilities', () => {
  test("are Docker's by default, as the kernel's bits", () => {
    expect(capabilityMask(DEFAULT_CAPABILITIES)).toBe(0xa80425fbn);
    expect(capabilityMask(CAPABILITIES)).toBe((1n << 41n) - 1n);
  });

  test.each([
    [['sys_admin'], [], 15],
    [['CAP_SYS_ADMIN', 'Net_Admin'], ['cap_chown'], 15],
    [['all'], [], 41],
    [['ALL'], ['SYS_ADMIN'], 40],
    [[], ['all'], 0],
    [['NET_RAW'], ['all'], 1],
  ])('%j without %j', (add, drop, count) => {
    expect(parseCapabilities(add, drop)).toHaveLength(count);
  });

  test('mistakes', () => {
    expect(() => parseCapabilities(['SYS_ADMN'], [])).toThrow(
      fails('E_USAGE', 'did you mean CAP_SYS_ADMIN?'),
    );
    expect(() => parseCapabilities(['CHOWN'], ['chown'])).toThrow(fails('E_USAGE'));
    expect(() => parseCapabilities(['__proto__'], [])).toThrow(fails('E_USAGE'));
  });
});

describe('limits', () => {
  test.each([
    ['nofile=1024:2048', { name: 'nofile', soft: 1024, hard: 2048 }],
    ['core=0', { name: 'core', soft: 0, hard: 0 }],
    ['nproc=unlimited', { name: 'nproc', soft: -1, hard: -1 }],
    ['memlock=64:-1', { name: 'memlock', soft: 64, hard: -1 }],
  ])('%s', (text, wanted) => {
    expect(parseRlimit(text)).toEqual(wanted);
  });

  test.each([
    '',
    'nofile',
    'nofile=',
    'nofile=1:',
    'nofile=2:1',
    'nofile=-1:5',
    'nofile=1x',
    'nofile=1:2:3',
    'toString=1',
    'nofile=1e3',
  ])('%j is refused', (text) => {
    expect(() => parseRlimit(text)).toThrow(fails('E_USAGE'));
  });

  test('names and numbers', () => {
    expect([rlimitNumber('cpu'), rlimitNumber('nofile'), rlimitNumber('rttime')]).toEqual([0, 7, 15]);
    expect(() => rlimitNumber('nofiles')).toThrow(fails('E_USAGE', 'did you mean nofile?'));
    expect([rlimitValue(-1), rlimitValue(5)]).toEqual([2n ** 64n - 1n, 5n]);
  });
});

describe('resolv.conf', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bld-resolver-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const none = { servers: [], options: [], search: [] };
  const stub = file('stub', '# comment\nnameserver 127.0.0.53\noptions edns0\nsearch example.org\n');
  const real = file('real', 'nameserver 192.0.2.1\nnameserver ::1\n nameserver 2001:db8::1 # x\n');

  test('is the host’s with the host’s network', () => {
    expect(resolvConf(none, false, [stub])).toBe(
      'search example.org\nnameserver 127.0.0.53\noptions edns0\n',
    );
  });

  test('has no server on the loopback of another network', () => {
    expect(resolvConf(none, true, [stub, real])).toMatch(/^nameserver 192\.0\.2\.1\nnameserver 2001:db8::1/);
    expect(resolvConf(none, true, [stub])).toBe('search example.org\noptions edns0\n');
  });

  test('says what was asked for', () => {
    const dns = { servers: ['9.9.9.9'], options: ['ndots:2'], search: ['.'] };
    expect(resolvConf(dns, true, [stub])).toBe('nameserver 9.9.9.9\noptions ndots:2\n');
    expect(resolvConf(none, true, [join(directory, 'absent')])).toBe('');
  });
});

describe('hosts', () => {
  test('localhost, what was asked for, our own name', () => {
    const addHosts = ['db;db.local:10.0.0.1', 'six:[2001:db8::1]', 'up:host-gateway'];
    const lines = hostsText({ addHosts, hostname: 'box', gateway: '192.0.2.9' }).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '127.0.0.1\tlocalhost',
        '10.0.0.1\tdb db.local',
        '2001:db8::1\tsix',
        '192.0.2.9\tup',
        '127.0.1.1\tbox',
      ]),
    );
  });

  test.each(['x', ':1.2.3.4', 'a:b', 'a b:1.2.3.4', 'a\nevil:1.2.3.4', 'a:1.2.3.4\n'])(
    '%j is refused',
    (entry) => {
      expect(() => hostsText({ addHosts: [entry], hostname: '' })).toThrow(fails('E_USAGE'));
    },
  );
});

describe('cgroups', () => {
  const limits = {
    memory: 64 << 20,
    memorySwap: 96 << 20,
    cpuQuota: 50_000,
    cpuShares: 1024,
    pidsLimit: 0,
    cpusetCpus: '0-1',
  };

  test('v1 and v2 settings', () => {
    expect(settingsV1(limits).map(({ file, value }) => `${file}=${value}`)).toEqual([
      'memory.limit_in_bytes=67108864',
      'memory.memsw.limit_in_bytes=100663296',
      'cpu.cfs_quota_us=50000',
      'cpu.shares=1024',
      'cpuset.cpus=0-1',
      'pids.max=max',
    ]);
    expect(settingsV2(limits).map(({ file, value }) => `${file}=${value}`)).toEqual([
      'memory.max=67108864',
      'memory.swap.max=33554432',
      'cpu.max=50000 100000',
      'cpu.weight=39',
      'cpuset.cpus=0-1',
      'pids.max=max',
    ]);
    expect(settingsV2({ memorySwap: -1 })[0]?.value).toBe('max');
  });

  test('shares become weights, ends to ends', () => {
    expect([cpuWeight(2), cpuWeight(262144), cpuWeight(0), cpuWeight(1e9)]).toEqual([1, 10000, 1, 10000]);
  });

  test('where we are', () => {
    const own = ownCgroups('4:memory:/a:b\n2:cpu,cpuacct:/c\n0::/u\n');
    expect([own.get('memory'), own.get('cpuacct'), own.get('')]).toEqual(['/a:b', '/c', '/u']);
  });
});

describe('suggestions', () => {
  test.each([
    ['slepe', 'sleep'],
    ['chmd', 'chmod'],
    ['x', undefined],
    ['entirely', undefined],
  ])('%s', (word, wanted) => {
    expect(nearest(word, ['sleep', 'chmod', 'ls', 'y'])).toBe(wanted);
  });
});

describe('what a file needs to run', () => {
  test('of scripts', () => {
    expect(interpreterOf(Buffer.from('#! /usr/bin/env python3\nx'))).toBe('/usr/bin/env');
    expect(interpreterOf(Buffer.from('#!/bin/sh'))).toBe('/bin/sh');
    expect(interpreterOf(Buffer.from('echo'))).toBeUndefined();
  });

  test('anything else is harmless', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        (bytes) => void interpreterOf(Buffer.concat([Buffer.from('\x7fELF\x02\x01', 'latin1'), bytes])),
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void interpreterOf(Buffer.from(bytes))),
    );
  });
});

test('the errors of a run that could not start', () => {
  expect(failureError({ step: 'namespaces', errno: 'EPERM', text: 'x' })).toMatchObject({
    code: 'E_ENVIRONMENT',
    message: 'cannot run the command: x: not permitted',
  });
  expect(failureError({ step: 'constructor', errno: '0', text: 'x' })).toMatchObject({
    code: 'E_RUN',
    message: 'cannot run the command: x',
  });
});

test('records on the wire', () => {
  const wire = new Wire();
  wire.put('argv', 'é');
  wire.flag('tty', false);
  wire.optional('cwd', undefined);
  wire.descriptor('rootfs', 17);
  wire.descriptor('mount.fd', 18);
  expect(wire.fds).toEqual([17, 18]);
  expect(wire.bytes().subarray(0, 16)).toEqual(
    Buffer.from([4, 0, 0, 0, 2, 0, 0, 0, ...Buffer.from('argv\0é\0')]),
  );
  expect(wire.bytes().toString('latin1')).toMatch(/rootfs\x004\x00.*mount\.fd\x005\x00$/s);
});
