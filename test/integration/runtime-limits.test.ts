import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GuestRequest, makePlace, type Place, runGuest, ways } from './runtime-harness.ts';

const possible = (await ways()).includes('root');
test.skipIf(possible)('needs root', ({ skip }) => skip('cgroups can be made by root alone here'));

describe.runIf(possible)('limits and networks', () => {
  let place: Place;
  beforeAll(async () => {
    place = await makePlace('root');
  });
  afterAll(() => place.dispose());
  const run = (script: string, spec: GuestRequest['spec'] = {}) =>
    runGuest(place, { argv: ['sh', '-c', script], spec });

  test('a process above the memory limit is killed, and the result says why', async () => {
    const script = 'dd if=/dev/zero of=/dev/shm/x bs=1M count=60';
    const reply = await run(script, { resources: { memory: 16 << 20 } });
    expect(reply.exitCode).toBe(137);
    expect(reply.remark).toContain('out of memory (limit 16777216 bytes)');
    expect(await run('true', { resources: { memory: 16 << 20 } })).toMatchObject({ exitCode: 0 });
  });

  test('the number of processes', async () => {
    const reply = await run('for i in 1 2 3 4 5 6 7 8 9; do sleep 2 & done; wait', {
      resources: { pidsLimit: 6 },
    });
    expect(reply.stderr).toContain("can't fork");
  });

  test('no cgroup is left', () => {
    const left = ['memory', 'pids', ''].flatMap((name) => {
      const path = `/sys/fs/cgroup/${name}`;
      return existsSync(path) ? readdirSync(path).filter((entry) => entry.startsWith('bld-')) : [];
    });
    expect(left).toEqual([]);
  });

  test('a limit that cannot be had is an error', async () => {
    const { error } = await run('true', {
      resources: { memory: 1 << 20, cgroupParent: '/no/../\u0000' },
    }).catch(() => ({ error: { code: 'thrown' } }));
    expect(error).toBeDefined();
    const tester = await makePlace('userns').catch(() => undefined);
    if (!tester) return;
    const reply = await runGuest(tester, { argv: ['true'], spec: { resources: { memory: 1 << 26 } } });
    tester.dispose();
    expect(reply.error).toMatchObject({
      code: 'E_ENVIRONMENT',
      hint: expect.stringContaining('Delegate=yes'),
    });
  });

  test('--network none: loopback alone, and it is up', async () => {
    const reply = await run(
      "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; ls /sys/class/net; grep -c . /proc/net/route",
    );
    expect(reply.stdout).toBe('lo\nlo\n1\n');
  });

  test('a private network has an interface and a route', async () => {
    const programs = ['pasta', 'slirp4netns'].filter((name) =>
      [`/usr/bin/${name}`, `/usr/sbin/${name}`].some(existsSync),
    );
    const network = { kind: 'private', program: 'auto', options: [] } as const;
    const reply = await run('ls /sys/class/net | wc -l; tail -n +2 /proc/net/route | wc -l', { network });
    if (programs.length === 0) {
      expect(reply.error).toMatchObject({ code: 'E_ENVIRONMENT', hint: expect.stringContaining('install') });
      return;
    }
    expect(reply.error).toBeUndefined();
    const [links, routes] = reply.stdout.split('\n').map(Number);
    expect(links).toBe(2);
    expect(routes).toBeGreaterThan(0);
  });

  test('a network program that fails is heard', async () => {
    const network = { kind: 'private', program: 'slirp4netns', options: ['--no-such-option'] } as const;
    const reply = await run('true', { network });
    expect(reply.error?.code).toBe('E_ENVIRONMENT');
    expect(reply.error?.message).toMatch(/no-such-option|not installed/);
  });
});
