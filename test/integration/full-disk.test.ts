/** F16, F17, F20, F59, F60: no space, no inodes, no right to write, and environments that lack the usual. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench, BLD, PEOPLE, type Person } from '../helpers/bld.ts';
import { Disk, failure, listing, publish, rawImage } from '../helpers/faults.ts';
import { attempt, call, leftovers } from '../helpers/processes.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { validateLayout } from '../helpers/validate.ts';
import { archive, member } from '../unit/layers/fixtures.ts';

const MIB = 1 << 20;
/** What the index and its log may take for themselves. */
const SLACK = 600_000;

let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
  publish(registry, rawImage([archive(member('big', randomBytes(6 * MIB)))], inject('base')), 'big');
});
afterAll(() => registry[Symbol.asyncDispose]());

/** A store on a disk of its own, with the container `c` and files of six megabytes to put into it. */
function small(person: Person, options = 'size=48m'): { bench: Bench; disk: Disk } & Disposable {
  const stack = new DisposableStack();
  const bench = stack.use(new Bench(person));
  const disk = stack.use(new Disk(bench, bench.root, options));
  bench.run('from', '--name', 'c', inject('base'));
  bench.run('run', 'c', 'touch', '/kept');
  const context = bench.mkdir('context');
  for (const n of [1, 2, 3]) writeFileSync(join(context, `large-${n}`), randomBytes(2 * MIB));
  return { bench, disk, [Symbol.dispose]: () => stack.dispose() };
}

interface Case {
  readonly prepare?: (bench: Bench) => unknown;
  readonly args: (bench: Bench) => readonly string[];
  /** Bytes left free. */
  readonly leave: number;
}

const CASES: Readonly<Record<string, Case>> = {
  pull: { args: () => ['pull', '--tls-verify=false', `${registry.host}/big`], leave: 3 * MIB },
  'pull, with nearly nothing left': {
    args: () => ['pull', '--tls-verify=false', `${registry.host}/big`],
    leave: 30_000,
  },
  'unpacking a base': {
    prepare: (bench) =>
      call(bench, ['from', '--tls-verify=false', '--name', 'unpacked', `${registry.host}/big`]),
    args: () => ['copy', 'unpacked', 'context/large-1', '/'],
    leave: 3 * MIB,
  },
  'copy of a directory': { args: () => ['copy', 'c', 'context', '/copied'], leave: 3 * MIB },
  'copy of files': { args: () => ['copy', 'c', 'context/large-1', 'context/large-2', '/'], leave: 3 * MIB },
  'a packed commit': {
    prepare: (bench) => bench.run('copy', 'c', 'context', '/copied'),
    args: () => ['commit', '--squash', 'c', 'made'],
    leave: 3 * MIB,
  },
  push: {
    prepare: (bench) => {
      bench.run('copy', 'c', 'context', '/copied');
      bench.run('commit', 'c', 'made');
    },
    args: () => ['push', '--tls-verify=false', 'made', `docker://${registry.host}/pushed`],
    leave: 3 * MIB,
  },
};

describe.each(['root', 'tester'] as const)('a full disk as %s', (person) => {
  test.for(Object.entries(CASES))('%s', async ([, { prepare, args, leave }]) => {
    using place = small(person);
    const { bench, disk } = place;
    await prepare?.(bench);
    bench.run('containers');
    const before = listing(bench);
    const used = disk.free;
    disk.leave(leave);
    const words = args(bench);
    const failed = await attempt(bench, ['--log-format', 'json', ...words]);
    expect(failed).toMatchObject({ code: 125, stdout: '' });
    expect(failure(failed)).toMatchObject({
      code: 'E_DISK_FULL',
      message: expect.stringMatching(/no space (or inodes )?left|ENOSPC/),
      hint: expect.stringContaining('free some space'),
    });
    disk.release();
    expect(disk.free).toBeGreaterThan(used - SLACK);
    expect(listing(bench).filter((line) => !before.includes(line))).toEqual([]);
    expect(await attempt(bench, words)).toMatchObject({ code: 0 });
    expect(bench.run('run', 'c', 'ls', '/kept')).toBe('/kept');
    expect(leftovers(bench.root)).toEqual([]);
  });

  test('what takes next to nothing works without a free byte', () => {
    using place = small(person);
    const { bench, disk } = place;
    bench.run('copy', 'c', 'context', '/copied');
    disk.leave(0);
    expect(bench.run('commit', 'c', 'made')).toMatch(/^[0-9a-f]{64}$/);
    expect(bench.run('from', '--name', 'on-top', 'made')).toBe('on-top');
    expect(bench.run('run', 'on-top', 'sh', '-c', 'cat /copied/* | wc -c')).toBe(String(6 * MIB));
  });

  test('a command in the container meets the full disk itself, and the container goes on', () => {
    using place = small(person);
    const { bench, disk } = place;
    disk.leave(3 * MIB);
    const failed = bench.try(['run', 'c', 'dd', 'if=/dev/zero', 'of=/huge', 'bs=1048576', 'count=10']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/No space left on device/);
    expect(bench.run('run', 'c', 'sh', '-c', 'rm /huge; ls /kept')).toBe('/kept');
  });

  test('images and containers can be removed from a disk without a free byte, and that makes space', async () => {
    using place = small(person);
    const { bench, disk } = place;
    await call(bench, ['pull', '--tls-verify=false', `${registry.host}/big`]);
    disk.leave(0);
    const before = disk.free;
    bench.run('images');
    bench.run('rmi', `${registry.host}/big`);
    expect(disk.free).toBeGreaterThan(before + 6 * MIB - SLACK);
    disk.leave(0);
    bench.run('rm', 'c');
    bench.run('rmi', '--all', '--force');
    disk.release();
    bench.run('from', inject('base'));
  });

  test('what a removed container had in layers of its own is free again', () => {
    using place = small(person);
    const { bench, disk } = place;
    const before = disk.free;
    bench.run('from', '--name', 'd', inject('base'));
    bench.run('copy', 'd', 'context', '/copied');
    bench.run('commit', '--rm', 'd', `oci:${join(bench.directory, 'out')}:1`);
    expect(validateLayout(join(bench.directory, 'out'))).toHaveLength(1);
    expect(disk.free).toBeGreaterThan(before - SLACK);
  });

  test('no inodes', async () => {
    using place = small(person, 'size=64m,nr_inodes=2000');
    const { bench, disk } = place;
    const many = bench.mkdir('many');
    for (let n = 0; n < 100; n++) writeFileSync(join(many, String(n)), '');
    bench.run('containers');
    const before = listing(bench);
    disk.leaveInodes(50);
    const failed = await attempt(bench, ['--log-format', 'json', 'copy', 'c', many, '/many']);
    expect(failure(failed)).toMatchObject({ code: 'E_DISK_FULL', message: expect.stringMatching(/inodes/) });
    const pulled = () => attempt(bench, ['--log-format', 'json', 'from', '--name', 'x', inject('base')]);
    disk.release();
    disk.leaveInodes(1);
    expect(failure(await pulled())).toMatchObject({ code: 'E_DISK_FULL' });
    disk.release();
    expect(listing(bench).filter((line) => !before.includes(line))).toEqual([]);
    expect(await pulled()).toMatchObject({ code: 0 });
    bench.run('copy', 'c', many, '/many');
    expect(bench.run('run', 'c', 'sh', '-c', 'ls /many | wc -l')).toBe('100');
  });
});

describe.each(['root', 'tester'] as const)('a read-only store as %s', (person) => {
  test('what reads works, what writes names the path', async () => {
    using place = small(person);
    const { bench, disk } = place;
    bench.run('commit', 'c', 'made');
    bench.run('push', 'made', `oci:${join(bench.directory, 'first')}:1`);
    disk.remount('ro');
    expect(bench.run('images', '--format', '{{.Name}}')).toContain('localhost/made');
    expect(bench.run('containers', '--format', '{{.ContainerName}}')).toBe('c');
    expect(JSON.parse(bench.run('inspect', '--type', 'image', 'made')).FromImage).toBe(
      'localhost/made:latest',
    );
    const out = join(bench.directory, 'out');
    bench.run('push', 'made', `oci:${out}:1`);
    expect(validateLayout(out)).toHaveLength(1);
    const writes = [
      ['from', inject('base')],
      ['copy', 'c', 'context', '/copied'],
      ['run', 'c', 'true'],
      ['config', '--env', 'a=b', 'c'],
      ['commit', 'c', 'again'],
      ['tag', 'made', 'other'],
      ['pull', '--tls-verify=false', `${registry.host}/big`],
      ['rm', 'c'],
      ['rmi', 'made'],
      ['prune'],
    ];
    for (const words of writes) {
      const failed = await attempt(bench, ['--log-format', 'json', ...words]);
      expect({ words, ...failed }).toMatchObject({ code: 125 });
      expect({ words, ...failure(failed) }).toMatchObject({
        code: 'E_PERMISSION',
        message: expect.stringContaining(bench.root),
      });
    }
    disk.remount('rw');
    bench.run('run', 'c', 'ls', '/kept');
  });
});

/** A whole small script; its last line is what the container says. */
const SCRIPT = `set -e
c=$("$BLD" from ${'"$BASE"'})
"$BLD" copy -q "$c" "$CONTEXT" /copied
"$BLD" run "$c" sh -c 'umask; stat -c %a /copied /copied/file /; id -u; echo done > /made'
"$BLD" commit -q "$c" made >/dev/null
"$BLD" rm "$c" >/dev/null
`;

const ENVIRONMENTS: Readonly<Record<string, (bench: Bench) => readonly [shell: string, drop: string[]]>> = {
  'umask 077': () => [`umask 077; ${SCRIPT}`, []],
  'umask 000': () => [`umask 000; ${SCRIPT}`, []],
  'no HOME': () => [SCRIPT, ['HOME']],
  'no USER, no LOGNAME': () => [SCRIPT, ['USER', 'LOGNAME']],
  'an odd locale': () => [`export LC_ALL=tr_TR.UTF-8 LANG=xx; ${SCRIPT}`, []],
  'an empty PATH': () => [`PATH=; export PATH; ${SCRIPT}`, []],
  'no PATH': () => [`unset PATH; ${SCRIPT}`, []],
  'closed standard input': () => [`exec <&-; ${SCRIPT}`, []],
  'a hostile TMPDIR': () => [`export TMPDIR=/nonexistent; ${SCRIPT}`, []],
  'a deleted working directory': (bench) => {
    bench.mkdir('gone');
    return [`cd "$HERE/gone"; rmdir "$HERE/gone"; ${SCRIPT}`, []];
  },
  'few descriptors': () => [`ulimit -n 100; ${SCRIPT}`, []],
};

describe.each(PEOPLE)('the environment as %s', (person) => {
  test.for(Object.entries(ENVIRONMENTS))('%s', ([, prepare]) => {
    using bench = new Bench(person);
    const context = bench.mkdir('context');
    writeFileSync(join(context, 'file'), 'x', { mode: 0o640 });
    bench.ownAll(context);
    const [shell, drop] = prepare(bench);
    const env = { BLD, BASE: inject('base'), CONTEXT: context, HERE: bench.directory };
    const unset = drop.flatMap((name) => ['-u', name]);
    const { code, stdout, stderr } = bench.exec('/usr/bin/env', [...unset, '/bin/sh', '-c', shell], { env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toBe('0022\n755\n640\n755\n0\n');
    expect(statSync(bench.root).mode & 0o777).toBe(0o700);
  });

  test('no HOME and no place for the store is said', () => {
    using bench = new Bench(person);
    const names = ['HOME', 'BLD_ROOT', 'BLD_RUNROOT'].flatMap((name) => ['-u', name]);
    const uid = person === 'root' ? [] : ['--', 'env'];
    const { code, stderr } = bench.exec('/usr/bin/env', [...names, ...uid.slice(1), BLD, 'images', '-q']);
    expect(code === 0 || /HOME/.test(stderr)).toBe(true);
  });
});

test('a uid that is in no passwd, without a home', () => {
  using bench = new Bench('root');
  const place = bench.mkdir('place');
  mkdirSync(join(place, 'store'));
  for (const path of [place, join(place, 'store')]) bench.exec('chown', ['54321:54321', path]);
  const as = (...args: string[]) =>
    bench.exec('setpriv', [
      '--reuid',
      '54321',
      '--regid',
      '54321',
      '--clear-groups',
      'env',
      '-u',
      'HOME',
      ...args,
    ]);
  const without = as('-u', 'BLD_ROOT', '-u', 'BLD_RUNROOT', BLD, '--log-format', 'json', 'images');
  expect(failure(without)).toMatchObject({
    code: 'E_ENVIRONMENT',
    hint: expect.stringContaining('BLD_ROOT'),
  });
  bench.exec('chmod', ['755', bench.directory]);
  const env = [`BLD_ROOT=${place}/store`, `BLD_RUNROOT=${place}/run`];
  expect(as(...env, BLD, 'from', '--name', 'c', inject('base'))).toMatchObject({ code: 0 });
  expect(as(...env, BLD, 'run', 'c', 'id', '-u')).toMatchObject({ code: 0, stdout: '0\n' });
  rmdirSync(bench.mkdir('unused'));
});
