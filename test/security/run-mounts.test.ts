/** Attacks A98-A105, A107, A118: what a command is given besides its root comes from where it must and goes nowhere else. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { failure, guarded } from '../helpers/faults.ts';
import { attempt, traces } from '../helpers/processes.ts';
import { validateLayout } from '../helpers/validate.ts';

/** Names in the layer that the container's changes make. */
function committed(bench: Bench, container: string): string[] {
  const directory = join(bench.directory, `layout-${container}`);
  bench.run('commit', container, `oci:${directory}:1`);
  const [image] = validateLayout(directory);
  return (image?.layers.at(-1) ?? []).map(({ name }) => name.replace(/\/$/, ''));
}

describe.each(PEOPLE)('as %s', (person) => {
  test('A98: a bind from a container or image stays in it', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    bench.run('from', '--name', 'evil', inject('base'));
    bench.run(
      'run',
      'evil',
      'sh',
      '-c',
      `ln -s / /x; ln -s ${outside} /y; ln -s /proc/self/root /p; echo own > /own`,
    );
    bench.run('commit', 'evil', 'evil-image');
    for (const from of ['evil', 'localhost/evil-image']) {
      for (const source of [
        '/y',
        `/x${outside}`,
        `/p${outside}`,
        `../../..${outside}`,
        `/y/../..${outside}`,
      ]) {
        const mount = `type=bind,from=${from},source=${source},target=/m`;
        const { code, stdout } = bench.try([
          'run',
          '--mount',
          mount,
          'c',
          'sh',
          '-c',
          'cat /m/secret; ls /m',
        ]);
        expect({ from, source, code: code === 0, stdout }).toMatchObject({ code: false, stdout: '' });
      }
      const mount = `type=bind,from=${from},source=/x,target=/m`;
      expect(bench.run('run', '--mount', mount, 'c', 'cat', '/m/own')).toBe('own');
      const writing = bench.try(['run', '--mount', `${mount},rw`, 'c', 'sh', '-c', 'echo evil > /m/own']);
      expect(writing.code === 0 || /Read-only/.test(writing.stderr)).toBe(true);
    }
    expect(bench.run('run', 'evil', 'cat', '/own')).toBe('own');
    untouched();
  });

  test('A101, A102: cache mounts have hashed places, targets stay in the root', () => {
    using place = guarded(person);
    const { bench, untouched } = place;
    const ids = ['../../outside', '/etc', '.', '..', 'a/b', 'x'.repeat(4096), '-rf', 'ünïcode'];
    for (const id of ids) {
      const mount = `type=cache,id=${id},target=/cache`;
      bench.run('run', '--mount', mount, 'c', 'sh', '-c', 'echo evil > /cache/secret');
      expect(bench.run('run', '--mount', mount, 'c', 'cat', '/cache/secret')).toBe('evil');
    }
    expect(readdirSync(join(bench.root, 'cache-mounts')).every((name) => /^[0-9a-f]{64}/.test(name))).toBe(
      true,
    );
    for (const target of ['/', '/proc', '/proc/self', '/../..', '']) {
      const { code } = bench.try(['run', '--mount', `type=cache,id=t,target=${target}`, 'c', 'true']);
      expect({ target, code }).toEqual({ target, code: 125 });
    }
    bench.run(
      'run',
      '--mount',
      'type=cache,id=planted,target=/cache',
      'c',
      'sh',
      '-c',
      'ln -s / /cache/a; ln -s /etc /cache/e',
    );
    const planted = bench.try([
      'run',
      '--mount',
      'type=cache,id=planted,source=a/etc,target=/cache',
      'c',
      'ls',
      '/cache',
    ]);
    expect(planted.stdout).not.toContain('shadow');
    untouched();
  });

  test('A103: unknown and contradictory options are refused', () => {
    using place = guarded(person);
    const { bench, outside } = place;
    for (const mount of [
      `type=bind,source=${outside},target=/m,bind-propagation=bogus`,
      `type=bind,source=${outside},target=/m,upperdir=/etc`,
      `type=bind,source=${outside},target=/m,bogus=1`,
      `type=bind,source=${outside}`,
      'type=tmpfs,target=/m,source=/etc',
      'type=cache,target=/m,sharing=bogus',
      `target=/m,type=bogus`,
      '',
    ]) {
      const result = bench.try(['--log-format', 'json', 'run', '--mount', mount, 'c', 'true']);
      expect({ mount, was: result.code, ...failure(result) }).toMatchObject({ was: 125, code: 'E_USAGE' });
    }
    for (const options of ['suid,bogus', 'ro,rw', 'upperdir=/etc', 'O,bogus', 'exec=1']) {
      const result = bench.try([
        '--log-format',
        'json',
        'run',
        '--volume',
        `${outside}:/m:${options}`,
        'c',
        'true',
      ]);
      expect({ options, was: result.code, ...failure(result) }).toMatchObject({ was: 125, code: 'E_USAGE' });
    }
  });

  test('A105: targets by links of the root stay in the root, and nested ones nest', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    const inner = bench.mkdir('inner');
    writeFileSync(join(inner, 'in'), 'inner\n');
    bench.run(
      'run',
      'c',
      'sh',
      '-c',
      `ln -s ${outside} /l; ln -s / /r; ln -s ../../../.. /u; ln -s /proc/self/root /p`,
    );
    for (const target of ['/l/t', `/r${outside}`, `/u${outside}`, '/l']) {
      bench.try(['run', '--volume', `${inner}:${target}`, 'c', 'sh', '-c', `echo evil > ${target}/new`]);
      untouched();
    }
    const both = ['--volume', `${inner}:/a`, '--mount', 'type=tmpfs,target=/a/b/c'];
    expect(bench.run('run', ...both, 'c', 'sh', '-c', 'cat /a/in; touch /a/b/c/x; ls /a/b/c')).toBe(
      'inner\nx',
    );
    expect(bench.try(['run', '--volume', `${inner}:/etc/passwd/x`, 'c', 'true']).code).toBe(125);
    expect(bench.run('run', '--volume', `${join(inner, 'in')}:/bound:ro`, 'c', 'cat', '/bound')).toBe(
      'inner',
    );
    expect(bench.try(['run', '--volume', `${inner}:/v:ro`, 'c', 'touch', '/v/x']).code).toBe(1);
    expect(existsSync(join(inner, 'x'))).toBe(false);
    untouched();
  });

  test('A104: mount points that a command swaps for links', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    const shared = bench.mkdir('shared');
    const mounts = ['--volume', `${shared}:/one/two/three`, '--mount', 'type=tmpfs,target=/x/y'];
    const swap = `cd /; mv /one/two /elsewhere; rm -rf /one /x; ln -s ${outside} /one; ln -s ${outside} /x; mkdir -p ${outside}/y; true`;
    bench.try(['run', ...mounts, 'c', 'sh', '-c', swap]);
    untouched();
    bench.run('run', 'c', 'true');
    expect(existsSync(shared)).toBe(true);
  });

  test('A107, A118: files of the network are no way out, and no stubs of them come into the layer', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    const names = ['resolv.conf', 'hosts', 'hostname'];
    const bare = ['--no-hosts', '--no-hostname', '--network', 'none'];
    const links = names.map((name) => `ln -sf ${outside}/secret /etc/${name}`).join(';');
    bench.run('run', ...bare, 'c', 'sh', '-c', links);
    const { stdout } = bench.try([
      'run',
      'c',
      'sh',
      '-c',
      'cat /etc/hosts; echo evil >> /etc/hosts; echo evil >> /etc/resolv.conf',
    ]);
    expect(stdout).not.toContain('secret of the machine');
    untouched();

    bench.run('from', '--name', 'fresh', inject('base'));
    const volume = bench.mkdir('volume');
    bench.run(
      'run',
      '--volume',
      `${volume}:/mnt/volume`,
      '--mount',
      'type=tmpfs,target=/scratch',
      'fresh',
      'sh',
      '-c',
      'cat /etc/hosts /etc/resolv.conf; echo 1 > /made; echo x > /scratch/x',
    );
    bench.run('run', 'fresh', 'sh', '-c', 'ls /dev/shm /proc/self /sys >/dev/null');
    expect(committed(bench, 'fresh').filter((name) => !/^(\.|etc|)$/.test(name))).toEqual(['made']);
  });

  test('A100: a source that is swapped meanwhile is mounted as it was opened', async () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    bench.run('from', '--name', 'evil', inject('base'));
    const spin = `end=$(( $(date +%s) + 3 )); while [ $(date +%s) -lt $end ]; do rm -rf /s; mkdir /s; echo own > /s/f; rm -rf /s; ln -s ${outside} /s; done`;
    const spinning = attempt(bench, ['run', 'evil', 'sh', '-c', spin]);
    for (let n = 0; n < 8; n++) {
      const mount = 'type=bind,from=evil,source=/s,target=/m';
      const { stdout } = await attempt(bench, ['run', '--mount', mount, 'c', 'cat', '/m/secret', '/m/f']);
      expect(stdout).not.toContain('secret of the machine');
    }
    await spinning;
    untouched();
  });

  test('volumes: :O throws away, :U gives away, nothing stays mounted', () => {
    using place = guarded(person);
    const { bench } = place;
    const volume = bench.mkdir('volume');
    writeFileSync(join(volume, 'kept'), 'kept');
    bench.ownAll(volume);
    bench.run('run', '--volume', `${volume}:/v:O`, 'c', 'sh', '-c', 'rm /v/kept; echo x > /v/new');
    expect(readdirSync(volume)).toEqual(['kept']);
    expect(readFileSync(join(volume, 'kept'), 'utf8')).toBe('kept');
    symlinkSync('/etc', join(volume, 'link'));
    const etc = statSync('/etc').uid;
    bench.try(['run', '--user', '1000', '--volume', `${volume}:/v:U`, 'c', 'touch', '/v/mine']);
    expect(statSync('/etc').uid).toBe(etc);
    expect(traces([bench.root, volume])).toEqual([]);
  });
});

test('A99: sources of the host are those of the person who asks', () => {
  using bench = new Bench('tester');
  bench.run('from', '--name', 'c', inject('base'));
  const secret = join(bench.directory, 'of-root');
  mkdirSync(secret, { mode: 0o700 });
  writeFileSync(join(secret, 'file'), 'of root', { mode: 0o600 });
  chmodSync(secret, 0o700);
  for (const source of [secret, '/root']) {
    const { code, stdout } = bench.try(['run', '--volume', `${source}:/v`, 'c', 'ls', '/v']);
    expect({ source, stdout, failed: code !== 0 }).toEqual({ source, stdout: '', failed: true });
  }
});
