import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';

/** The base with a step on top, under the given names; the image's id. */
function makeImage(bench: Bench, ...names: readonly string[]): string {
  const [first = 'app', ...others] = names;
  const container = bench.run('from', inject('base'));
  bench.run('config', '--label', 'team=core', '--env', 'A=1', container);
  const id = bench.run('commit', '--rm', '--timestamp', '1700000000', container, first);
  if (others.length > 0) bench.run('tag', first, ...others);
  return id;
}

describe('images', () => {
  test('names, formats, filters', () => {
    using bench = new Bench('root');
    expect(bench.run('images')).toBe('REPOSITORY   TAG   IMAGE ID   CREATED   SIZE');
    expect(bench.run('images', '--json')).toBe('[]');
    const id = makeImage(bench, 'app:1', 'registry.test/team/app:2');
    const short = id.slice(0, 12);
    expect(bench.run('images', '--format', '{{.Name}}:{{.Tag}} {{.ID}} {{.CreatedAtRaw}}', 'app:1')).toBe(
      [
        `localhost/app:1            ${short}   2023-11-14   22:13:20   +0000   UTC`,
        `registry.test/team/app:2   ${short}   2023-11-14   22:13:20   +0000   UTC`,
      ]
        .join('\n')
        .replaceAll('   22:13:20   +0000   UTC', ' 22:13:20 +0000 UTC'),
    );
    expect(bench.run('images', '--format', 'table {{.Name}}\\t{{.Tag}}', 'app:1').split('\n')[0]).toBe(
      'REPOSITORY               TAG',
    );
    expect(bench.run('images', '-q', '--no-trunc', '-f', 'label=team=core')).toBe(`sha256:${id}`);
    for (const filter of [
      'reference=*/app',
      'reference=app:*',
      'reference=registry.test/*/*:2',
      `id=${short}`,
    ]) {
      expect(bench.run('images', '-q', '-f', filter)).toBe(short);
    }
    for (const filter of [
      'label=team=other',
      'reference=nosuch*',
      'dangling=true',
      'before=app:1',
      'label!=team',
    ]) {
      expect(bench.run('images', '-q', '-f', 'reference=*app*', '-f', filter)).toBe('');
    }
    expect(JSON.parse(bench.run('images', '--json', 'app:1'))).toMatchObject([
      { id: short, names: ['localhost/app:1', 'registry.test/team/app:2'], created: 1700000000 },
    ]);
    expect(bench.try(['images', 'nosuch'])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^Error: nosuch: image not known\n/),
    });
    expect(bench.try(['images', '--format', '{{.Nope}}']).stderr).toBe(
      'Error: Template parsing error: template: image:1:2: executing "image" at <.Nope>: can\'t evaluate field Nope in type main.imageOutputParams\n',
    );
  });

  test('tag, untag, rmi', () => {
    using bench = new Bench('root');
    const id = makeImage(bench, 'app:1', 'app:2', 'app:3');
    bench.run('untag', 'app:1', 'app:3');
    expect(bench.run('rmi', 'app:1')).toBe('untagged: localhost/app:1');
    expect(bench.try(['rmi', 'app:1'])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^Error: 1 error occurred:\n\t\* app:1: image not known\n/),
    });
    bench.run('from', '--name', 'user', 'app:2');
    expect(bench.try(['rmi', 'app:2']).stderr).toMatch(/image is in use by a container/);
    expect(bench.run('rmi', '--force', 'app:2')).toBe(`untagged: localhost/app:2\n${id}`);
    expect(bench.run('containers', '--quiet')).toBe('');
    expect(bench.try(['rmi']).stderr).toMatch(/^Error: image name or ID must be specified\n/);
  });

  test('inspect and history tell what the image is', () => {
    using bench = new Bench('root');
    const id = makeImage(bench, 'app:1');
    const inspect = (format: string) =>
      bench.try(['inspect', '--type', 'image', '--format', format, 'app:1']).stdout;
    expect(inspect('{{.FromImage}} {{.FromImageID}}')).toBe(`localhost/app:1 ${id}`);
    expect(inspect('{{.OCIv1.Config.Labels}} {{json .OCIv1.Config.Cmd}}')).toBe('map[team:core] ["sh"]');
    expect(inspect('{{range .OCIv1.Config.Env}}{{.}};{{end}}')).toBe('PATH=/bin:/usr/bin;A=1;');
    const document = JSON.parse(bench.run('inspect', '--type', 'image', 'app:1'));
    expect(document).toMatchObject({ Type: 'buildah 0.0.1', ContainerID: '', Docker: { os: 'linux' } });
    expect(document.FromImageDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(JSON.parse(document.Manifest).layers).toHaveLength(document.OCIv1.rootfs.diff_ids.length);
    const history = JSON.parse(bench.run('history', '--json', 'app:1'));
    expect(history).toHaveLength(document.OCIv1.history.length);
    expect(history[0]).toMatchObject({ id, created: '2023-11-14T22:13:20Z', tags: ['localhost/app:1'] });
    expect(bench.run('history', '-q', 'app:1').split('\n')[0]).toBe(id.slice(0, 12));
  });

  test('containers', () => {
    using bench = new Bench('root');
    bench.run('from', '--name', 'one', 'scratch');
    const [header, line = ''] = bench.run('containers').split('\n');
    expect(header).toBe(
      'CONTAINER ID  BUILDER  IMAGE ID     IMAGE NAME                       CONTAINER NAME',
    );
    expect(line).toMatch(/^[0-9a-f]{12} {5}\* {18}scratch {26}one$/);
    bench.run('rename', 'one', 'two');
    expect(bench.run('ps', '--format', '{{.ContainerName}} {{.ImageName}}')).toBe('two   scratch');
    expect(bench.run('list', '-q', '--filter', 'name=one')).toBe('');
    expect(JSON.parse(bench.run('ls', '--json'))).toMatchObject([{ builder: true, containername: 'two' }]);
    expect(bench.try(['rename', 'nosuch', 'x']).stderr).toMatch(
      /^Error: reading build container "nosuch": container not known\n/,
    );
  });

  test('info tells how bld works here', () => {
    using bench = new Bench('root');
    const info = JSON.parse(bench.run('info'));
    expect(info).toMatchObject({
      bld: { mode: 'root' },
      store: { GraphRoot: bench.root, ImageStore: { number: 0 } },
    });
    expect(bench.try(['info', '--format', '{{.host.os}}']).stdout).toBe('linux');
  });

  test('prune', () => {
    using bench = new Bench('root');
    const id = makeImage(bench, 'app:1');
    writeFileSync(join(bench.directory, 'more'), 'more');
    const container = bench.run('from', 'app:1');
    bench.run('copy', '-q', container, 'more', '/');
    bench.run('commit', '--rm', container, 'app:1');
    expect(bench.run('prune')).toBe(id);
    expect(bench.run('prune', '--all').split('\n')[0]).toMatch(/^untagged: /);
  });
});
