/** Attacks A95, A109, A125-A130: other users, hostile names, environments and left mounts. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, BLD, PEOPLE, type Person } from '../helpers/bld.ts';
import { failure, looks } from '../helpers/faults.ts';
import { traces } from '../helpers/processes.ts';

function* modes(path: string): Generator<string> {
  for (const name of readdirSync(path)) {
    const at = join(path, name);
    const stat = lstatSync(at);
    if (!stat.isSymbolicLink() && (stat.mode & 0o077) !== 0)
      yield `${at} ${(stat.mode & 0o7777).toString(8)}`;
    if (stat.isDirectory() && !/\/(upper|diff|cache-mounts)$/.test(at)) yield* modes(at);
  }
}

describe.each(PEOPLE)('as %s', (person) => {
  test('A125: nobody else can look into the store, whatever the umask', () => {
    using bench = new Bench(person);
    const script = `umask 000; set -e
      "$BLD" from --name c "$BASE" >/dev/null; "$BLD" run c sh -c 'echo x > /s; chmod 4755 /s'
      "$BLD" run --mount type=cache,id=k,target=/k c touch /k/x
      "$BLD" commit -q c made >/dev/null; "$BLD" push -q made oci:"$OUT":1`;
    const env = { BLD, BASE: inject('base'), OUT: join(bench.directory, 'out') };
    expect(bench.exec('/bin/sh', ['-c', script], { env })).toMatchObject({ code: 0 });
    expect(statSync(bench.root).mode & 0o7777).toBe(0o700);
    expect(statSync(join(bench.directory, 'run')).mode & 0o7777).toBe(0o700);
    const open = [...modes(bench.root)].filter((line) => !/\/(upper|diff) 755$/.test(line));
    expect(open).toEqual([]);
    const other: Person = person === 'tester' ? 'plain' : 'tester';
    using stranger = new Bench(other);
    chmodSync(bench.directory, 0o755);
    for (const words of [
      ['ls', bench.root],
      ['cat', join(bench.root, 'bld.db')],
      ['ls', join(bench.directory, 'run')],
    ]) {
      expect(stranger.exec(words[0] ?? '', words.slice(1))).toMatchObject({ stdout: '' });
    }
    const opened = stranger.try(['--log-format', 'json', '--root', bench.root, 'images']);
    expect({ was: opened.code, ...failure(opened) }).toMatchObject({
      was: 125,
      code: expect.stringMatching(/^E_(PERMISSION|STORE)$/),
    });
  });

  test('A126, A127: places that somebody else prepared are refused', () => {
    using bench = new Bench(person);
    const other = person === 'plain' ? 'tester' : 'plain';
    const id = Number(execFileSync('id', ['-u', other]).toString());
    const denied = (...args: string[]) => {
      const result = bench.try(['--log-format', 'json', ...args, 'images']);
      expect({ args, was: result.code, ...failure(result) }).toMatchObject({
        was: 125,
        code: expect.stringMatching(/^E_(STORE|PERMISSION)$/),
      });
    };
    const theirs = join(bench.directory, 'theirs');
    mkdirSync(theirs, { mode: 0o777 });
    chownSync(theirs, id, id);
    chmodSync(theirs, 0o777);
    denied('--root', theirs);
    denied('--runroot', theirs);
    const link = join(bench.directory, 'link');
    symlinkSync(bench.mkdir('target'), link);
    execFileSync('chown', ['-h', `${id}:${id}`, link]);
    denied('--root', link);
    denied('--runroot', link);
    const wide = bench.mkdir('wide');
    chmodSync(wide, 0o777);
    denied('--runroot', wide);
    writeFileSync(join(bench.mkdir('strange'), 'file'), 'x');
    denied('--root', join(bench.directory, 'strange'));
    expect(readdirSync(join(bench.directory, 'target'))).toEqual([]);
    expect(readdirSync(theirs)).toEqual([]);
  });

  test('A126: a hostile TMPDIR gets nothing', () => {
    using bench = new Bench(person);
    const trap = bench.mkdir('trap');
    const before = looks(trap);
    const env = { TMPDIR: trap, TMP: trap, TEMP: trap };
    bench.runWith({ env }, 'from', '--name', 'c', inject('base'));
    bench.runWith({ env }, 'run', '--volume', `${trap}:/v:O`, 'c', 'touch', '/x', '/v/y');
    bench.runWith({ env }, 'commit', '--squash', 'c', `oci-archive:${bench.directory}/out.tar:1`);
    expect(looks(trap)).toEqual(before);
  });

  test('A128: names and ids are names and ids', () => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    bench.run('commit', 'c', 'i');
    const hostile = [
      '..',
      '.',
      '../../etc',
      'a/b',
      '/',
      '',
      '-rf',
      '--all',
      'x'.repeat(5000),
      'a\nb',
      'a b',
      '\x1b[31m',
      '$(id)',
      'c;id',
      '*',
      '%2e%2e',
    ];
    const before = readdirSync(bench.root).sort();
    for (const name of hostile) {
      const uses = [
        // an empty name is none: there is one for those who give none
        ...(name === '' ? [] : [['from', '--name', name, inject('base')]]),
        ['rename', 'c', '--', name],
        ['rm', '--', name],
        ['rmi', '--', name],
        ['mount', '--', name],
        ['run', '--', name, 'true'],
        ['tag', 'i', '--', name],
        ['commit', 'c', '--', name],
      ];
      for (const args of uses) {
        const { code, stderr } = bench.try(args);
        const isName = ['tag', 'commit'].includes(args[0] ?? '') && ['a/b', ''].includes(name);
        if (!isName) expect({ name, args, code }).toMatchObject({ code: 125 });
        expect(stderr).not.toContain('\x1b');
        expect(stderr.length).toBeLessThan(12_000);
      }
    }
    expect(readdirSync(bench.root).sort()).toEqual(before);
    expect(bench.run('containers', '--format', '{{.ContainerName}}')).toBe('c');
  });

  test('A109, A116: nothing of the environment is to be seen by the command', () => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    const canary = 'canary-6f1c9a';
    const env = {
      CI_JOB_TOKEN: canary,
      AWS_SECRET_ACCESS_KEY: canary,
      BLD_SECRET: canary,
      SSH_AUTH_SOCK: `/tmp/${canary}`,
    };
    const look = `env; cat /proc/*/environ /proc/*/cmdline /proc/*/task/*/environ 2>/dev/null | tr "\\0" "\\n";
      cat /proc/self/mountinfo; ls -l /proc/self/fd/ /proc/1/fd/; grep -r ${canary.slice(0, 6)}-6f1c9. /etc /run /tmp /root 2>/dev/null; true`;
    for (const flags of [[], ['--pid', 'private'], ['--isolation', 'rootless'], ['--user', '1000']]) {
      const { code, stdout, stderr } = bench.try(['run', ...flags, 'c', 'sh', '-c', look], { env });
      expect({ flags, code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).not.toContain(canary);
    }
    bench.runWith({ env }, 'run', 'c', 'sh', '-c', 'env > /env');
    bench.runWith({ env }, 'commit', 'c', 'i');
    expect(bench.run('run', 'c', 'cat', '/env')).not.toContain(canary);
    expect(bench.run('inspect', 'i')).not.toContain(canary);
    expect(bench.exec('grep', ['-ral', canary, bench.root]).stdout).toBe('');
  });

  test('A95: the environment of an image reaches its commands alone', () => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    const trap = join(bench.directory, 'trap');
    const hostile = {
      LD_PRELOAD: `${trap}.so`,
      NODE_OPTIONS: `--require=${trap}.js`,
      NODE_PATH: bench.directory,
      PATH: `${bench.directory}:/bin`,
      BLD_ROOT: trap,
      BLD_RUNROOT: trap,
      BLD_NODE: '/bin/false',
      _BLD_MODE: 'none',
      HOME: trap,
      GIT_SSH_COMMAND: `touch ${trap}`,
      HTTPS_PROXY: 'http://127.0.0.1:1',
      REGISTRY_AUTH_FILE: trap,
    };
    for (const [name, value] of Object.entries(hostile))
      bench.run('config', '--env', `${name}=${value}`, 'c');
    bench.run('commit', 'c', 'hostile');
    bench.run('from', '--name', 'd', 'hostile');
    const seen = bench.run('run', 'd', 'env').split('\n');
    for (const [name, value] of Object.entries(hostile)) expect(seen).toContain(`${name}=${value}`);
    bench.run('copy', 'd', '/etc/hostname', '/x');
    bench.run('commit', 'd', 'again');
    expect(existsSync(trap)).toBe(false);
  });
});

describe.each(['root', 'tester'] as const)('removing, as %s', (person) => {
  test('A130: rm and rmi follow no link and cross no mount', () => {
    using bench = new Bench(person);
    const precious = bench.mkdir('precious');
    writeFileSync(join(precious, 'file'), 'precious');
    bench.ownAll(precious);
    const before = looks(precious);
    bench.run('from', '--name', 'c', inject('base'));
    bench.run(
      'run',
      'c',
      'sh',
      '-c',
      `ln -s ${precious} /link; mkdir /dir; chmod 000 /dir; ln -s / /root-link`,
    );
    const id = bench.run('containers', '--quiet');
    const upper = join(bench.root, 'containers', id, 'upper');
    const inside = join(upper, 'mounted');
    mkdirSync(inside);
    execFileSync('mount', ['--bind', precious, inside]);
    try {
      bench.try(['rm', 'c']);
      bench.try(['rmi', '--all', '--force']);
      bench.try(['prune', '--all', '--force']);
      expect(looks(precious)).toEqual(before);
    } finally {
      unmountBelow(bench.directory);
    }
    bench.try(['rm', '--all']);
    bench.try(['prune', '--all']);
    expect(looks(precious)).toEqual(before);
    bench.run('from', '--name', 'again', inject('base'));
    expect(readdirSync(join(bench.root, 'containers'))).toHaveLength(1);
    expect(traces([bench.root])).toEqual([]);
  });
});

/** Takes all mounts below a directory away, where they were moved to. */
function unmountBelow(directory: string): void {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const path = line.split(' ')[4];
    if (path?.startsWith(directory)) execFileSync('umount', [path]);
  }
}

test('A129: files are written below a shown container by bld, not through its links', () => {
  using bench = new Bench('root');
  const outside = bench.mkdir('outside');
  writeFileSync(join(outside, 'file'), 'mine');
  const before = looks(outside);
  bench.run('from', '--name', 'c', inject('base'));
  bench.run('run', 'c', 'sh', '-c', `ln -s ${outside} /etc/link`);
  const shown = bench.run('mount', 'c');
  try {
    writeFileSync(join(shown, 'plain'), 'x');
    writeFileSync(join(bench.directory, 'new'), 'evil');
    bench.run('copy', 'c', join(bench.directory, 'new'), '/etc/link/file');
    expect(bench.run('run', 'c', 'cat', '/plain', `${outside}/file`)).toBe('xevil');
    expect(looks(outside)).toEqual(before);
  } finally {
    bench.run('umount', 'c');
  }
  bench.run('rm', 'c');
  expect(traces([bench.root])).toEqual([]);
  rmSync(outside, { recursive: true });
});
