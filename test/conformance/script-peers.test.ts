import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE, type Person, script } from '../helpers/bld.ts';
import { Docker } from '../helpers/docker.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const registry = inject('registry');
let docker: Docker | null = null;
let work = '';

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'bld-peers-'));
  docker = await Docker.start();
});
afterAll(async () => {
  await docker?.[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

/** Runs the image in a store of its own; the limits are those that a machine without CAP_SYS_RESOURCE can set. */
function podman(image: string): string {
  const graph = mkdtempSync(join(work, 'podman-'));
  const conf = join(graph, 'containers.conf');
  writeFileSync(conf, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n');
  const store = [
    '--root',
    join(graph, 'root'),
    '--runroot',
    join(graph, 'run'),
    '--storage-driver',
    'overlay',
  ];
  const flags = [...store, '--cgroup-manager', 'cgroupfs', ...(has('runc') ? ['--runtime', 'runc'] : [])];
  const words = ['run', '--rm', '--network', 'none', '--tls-verify=false', image];
  const env = { ...process.env, CONTAINERS_CONF: conf };
  const ran = spawnSync('podman', [...flags, ...words], { encoding: 'utf8', env });
  // podman leaves its store mounted on itself
  while (spawnSync('umount', [join(graph, 'root/overlay')]).status === 0);
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran.stdout;
}

/** What the README promises, as one script: the image is pushed with the given layer compression. */
function pushed(person: Person, name: string, flags = ''): string {
  const image = `${registry}/${name}`;
  using bench = new Bench(person);
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'greeting'), `hello from ${person}\n`);
  const result = script(
    bench,
    `c=$(bld from ${inject('base')})
     bld copy -q --chown 1000:1001 $c greeting /srv/
     bld run $c sh -c 'mkdir -p /home/made && echo made:x:1234:1234::/home/made:/bin/sh >>/etc/passwd && chown 1234:1234 /home/made && touch /home/made/owned && chown made /home/made/owned && ln -s greeting /srv/link'
     bld config --cmd '["cat","/srv/link"]' --user app --env WHO=${person} --label by=bld --workingdir /srv $c
     bld commit -q $c app >/dev/null
     bld push -q ${flags} app docker://${image}`,
    { cwd: context },
  );
  expect(result.code, result.stderr).toBe(0);
  return image;
}

describe.skipIf(registry === '').each(PEOPLE)('what %s pushed', (person) => {
  test('runs under docker and podman, is inspected by skopeo, unpacked by umoci with the right owners', async () => {
    const image = pushed(person, `script/${person}:1`);
    if (has('skopeo')) {
      const inspected = spawnSync(
        'skopeo',
        ['inspect', '--config', '--tls-verify=false', `docker://${image}`],
        { encoding: 'utf8' },
      );
      const config = JSON.parse(inspected.stdout);
      expect(config.config).toMatchObject({
        Cmd: ['cat', '/srv/link'],
        User: 'app',
        WorkingDir: '/srv',
        Labels: { by: 'bld' },
        Env: expect.arrayContaining([`WHO=${person}`]),
      });
      expect(config.rootfs.diff_ids).toHaveLength(2);
      expect(config.history.filter((entry: { empty_layer?: boolean }) => !entry.empty_layer)).toHaveLength(2);
    }
    if (docker) {
      const ran = docker.run('run', '--rm', '--network', 'none', image);
      expect(ran.stderr.split('\n').filter((line) => /error/i.test(line))).toEqual([]);
      expect(ran.stdout).toBe(`hello from ${person}\n`);
      const owners = docker.run(
        'run',
        '--rm',
        '--network',
        'none',
        image,
        'stat',
        '-c',
        '%u:%g %n',
        '/srv/greeting',
        '/home/made/owned',
        '/home/made',
      );
      expect(owners.stdout).toBe('1000:1001 /srv/greeting\n1234:0 /home/made/owned\n1234:1234 /home/made\n');
    }
    if (has('umoci') && has('skopeo')) {
      const layout = join(work, `layout-${person}`);
      const bundle = join(work, `bundle-${person}`);
      expect(
        spawnSync('skopeo', ['copy', '-q', '--src-tls-verify=false', `docker://${image}`, `oci:${layout}:x`])
          .status,
      ).toBe(0);
      expect(spawnSync('umoci', ['unpack', '--image', `${layout}:x`, bundle]).status).toBe(0);
      const { uid, gid } = statSync(join(bundle, 'rootfs/srv/greeting'));
      expect([uid, gid]).toEqual([1000, 1001]);
      expect(statSync(join(bundle, 'rootfs/home/made/owned')).uid).toBe(1234);
    }
    if (has('podman')) expect(podman(image)).toBe(`hello from ${person}\n`);
  });
});

describe.skipIf(registry === '')('bytes pulled are bytes pushed', () => {
  const forms = [
    ['oci gzip', '--format oci'],
    ['oci zstd', '--format oci --compression-format zstd --force-compression'],
    ['docker gzip', '--format v2s2'],
  ] as const;
  test.each(forms)('%s: pull, push elsewhere and to oci: give the same digest', (_, flags) => {
    const name = flags.replace(/[^a-z0-9]+/g, '-').replace(/^-/, '');
    const image = pushed('root', `bytes/${name}:1`, flags);
    using bench = new Bench('root');
    const digest = (reference: string) =>
      JSON.parse(
        spawnSync('skopeo', ['inspect', '--tls-verify=false', `docker://${reference}`], { encoding: 'utf8' })
          .stdout,
      ).Digest;
    bench.run('pull', '-q', image);
    bench.run(
      'push',
      '-q',
      '--digestfile',
      join(bench.directory, 'digest'),
      image,
      `docker://${registry}/other/${name}:2`,
    );
    const told = readFileSync(join(bench.directory, 'digest'), 'utf8');
    expect(told).toBe(digest(image));
    expect(digest(`${registry}/other/${name}:2`)).toBe(told);
    if (flags.includes('v2s2')) return; // a layout holds the OCI format alone
    bench.run('push', '-q', image, `oci:${bench.directory}/layout:x`);
    const index = JSON.parse(readFileSync(join(bench.directory, 'layout/index.json'), 'utf8'));
    expect(index.manifests[0].digest).toBe(told);
  });
});
