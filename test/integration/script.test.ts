import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE, script } from '../helpers/bld.ts';

/** One line an entry of the layer that the newest image of the layout has on top: `mode owner/group size name`. */
function topLayer(layout: string): string[] {
  const read = (digest: string) => readFileSync(join(layout, 'blobs/sha256', digest.slice(7)));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const manifest = JSON.parse(read(index.manifests.at(-1).digest).toString());
  const blob = read(manifest.layers.at(-1).digest);
  const listing = spawnSync('tar', ['--numeric-owner', '-tvzf', '-'], { input: blob, encoding: 'utf8' });
  return listing.stdout
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' '));
}

describe.each(PEOPLE)('as %s', (person) => {
  test('from, copy, run, config, commit make an image with what was done, owners included', () => {
    using bench = new Bench(person);
    const context = bench.mkdir('context');
    writeFileSync(join(context, 'hello.txt'), 'hello\n');
    mkdirSync(join(context, 'sub'));
    writeFileSync(join(context, 'sub/deep'), 'deep\n');
    bench.ownAll(context);
    chmodSync(join(context, 'hello.txt'), 0o4750);

    const container = bench.run('from', inject('base'));
    expect(container).toBe('busybox-working-container');
    expect(bench.run('copy', '--chown', '1000:1001', container, context, '/app')).toMatch(/^[0-9a-f]{64}$/);
    expect(bench.run('run', container, 'cat', '/app/hello.txt')).toBe('hello');
    bench.run(
      'run',
      container,
      'sh',
      '-c',
      'echo made > /made; chown nobody /made; ln -s made /link; rm /etc/group',
    );
    bench.run('config', '--cmd', '["cat","/app/hello.txt"]', '--label', 'a=b', '--port', '80', container);
    const layout = join(bench.directory, 'out');
    const id = bench.run('commit', container, `oci:${layout}:app`);
    expect(id).toMatch(/^[0-9a-f]{64}$/);

    const entries = topLayer(layout);
    expect(entries).toContainEqual(expect.stringMatching(/^-rwsr-x--- 1000\/1001 6 .* app\/hello\.txt$/));
    expect(entries).toContainEqual(expect.stringMatching(/^d\S+ 1000\/1001 0 .* app\/$/));
    expect(entries).toContainEqual(expect.stringMatching(/^-rw-r--r-- 1000\/1001 5 .* app\/sub\/deep$/));
    expect(entries).toContainEqual(expect.stringMatching(/^-rw-r--r-- 65534\/0 5 .* made$/));
    expect(entries).toContainEqual(expect.stringMatching(/^l\S+ 0\/0 0 .* link -> made$/));
    expect(entries).toContainEqual(expect.stringMatching(/^\S+ 0\/0 0 .* etc\/\.wh\.group$/));

    const inspected = JSON.parse(bench.run('inspect', '--type', 'container', container));
    expect(inspected.OCIv1.config).toMatchObject({
      Cmd: ['cat', '/app/hello.txt'],
      Labels: { a: 'b' },
      ExposedPorts: { '80/tcp': {} },
    });
    expect(bench.run('rm', container)).toBe(inspected.ContainerID);
    expect(bench.run('containers', '-q')).toBe('');
  });

  test('a command that changes nothing makes no layer', () => {
    using bench = new Bench(person);
    const cached = { env: { BLD_CACHE: '1' } };
    const container = bench.run('from', inject('base'));
    const layers = () => JSON.parse(bench.run('inspect', container)).OCIv1.rootfs.diff_ids.length;
    bench.runWith(cached, 'run', container, 'true');
    expect(layers()).toBe(1);
    bench.runWith(cached, 'run', container, 'touch', '/etc');
    expect(layers()).toBe(2);
    bench.runWith(cached, 'run', container, 'chmod', '700', '/home');
    expect(layers()).toBe(3);
    bench.runWith(cached, 'run', container, 'mkdir', '/empty');
    expect(layers()).toBe(4);
  });

  test('chown -R reaches symlinks that a layer below has', () => {
    using bench = new Bench(person);
    const container = bench.run('from', inject('base'));
    bench.run('run', container, 'sh', '-c', 'mkdir /app && echo x >/app/file && ln -s file /app/link');
    bench.run('commit', '--rm', container, 'below');
    const above = bench.run('from', 'below');
    bench.run('run', above, 'chown', '-Rh', '1000:1001', '/app');
    const layout = join(bench.directory, 'out');
    bench.run('commit', above, `oci:${layout}:app`);
    const entries = topLayer(layout);
    expect(entries).toContainEqual(expect.stringMatching(/^l\S+ 1000\/1001 0 .* app\/link -> file$/));
    expect(entries).toContainEqual(expect.stringMatching(/^-\S+ 1000\/1001 2 .* app\/file$/));
    expect(entries).toContainEqual(expect.stringMatching(/^d\S+ 1000\/1001 0 .* app\/$/));
  });

  test('a failing command gives its exit code, and the container goes on', () => {
    using bench = new Bench(person);
    const container = bench.run('from', '--name', 'c', inject('base'));
    const failed = bench.try(['run', container, 'sh', '-c', 'echo x > /kept; exit 7']);
    expect(failed).toMatchObject({ code: 7, stderr: 'Error: while running runtime: exit status 7\n' });
    expect(bench.run('run', container, 'cat', '/kept')).toBe('x');
  });

  test('a script run twice with the cache runs no step, and after a change only what follows it', () => {
    using bench = new Bench(person);
    const context = bench.mkdir('context');
    writeFileSync(join(context, 'a'), '1');
    writeFileSync(join(context, 'b'), '1');
    const steps = `
      c=$(bld from ${inject('base')})
      bld copy -q $c a /a
      bld run $c sh -c 'echo ran-1 >&2; cat /a > /first'
      bld copy -q $c b /b
      bld run $c sh -c 'echo ran-2 >&2; cat /b > /second'
      bld run $c cat /first /second >&2
      bld commit --timestamp 0 $c cached
      bld rm $c >/dev/null`;
    const options = { cwd: context, env: { BLD_CACHE: '1' } };
    const first = script(bench, steps, options);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toMatch(/ran-1[\s\S]*ran-2/);
    const second = script(bench, steps, options);
    expect(second).toMatchObject({ code: 0, stdout: first.stdout });
    expect(second.stderr).not.toMatch(/ran-/);
    writeFileSync(join(context, 'b'), '2');
    const third = script(bench, steps, options);
    expect(third.stderr).toMatch(/ran-2/);
    expect(third.stderr).not.toMatch(/ran-1/);
    expect(third.stdout).not.toBe(first.stdout);
  });
});
