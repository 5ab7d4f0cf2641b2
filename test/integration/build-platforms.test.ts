import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { validateLayout } from '../helpers/validate.ts';

const REGISTRY = inject('registry');
const HOST = { x64: 'amd64' }[process.arch as string] ?? process.arch;
const PLATFORMS = ['--platform', 'linux/amd64,linux/arm64', '--platform', 'linux/arm/v7'];

function contextOf(bench: Bench, dockerfile: string): string {
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'Dockerfile'), dockerfile.replaceAll('BASE', inject('base')));
  writeFileSync(join(context, 'file'), 'same everywhere\n');
  bench.ownAll(context);
  return context;
}

interface Entry {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform: Readonly<Record<string, unknown>>;
}

function listOf(bench: Bench, name: string): { mediaType: string; manifests: Entry[] } {
  return JSON.parse(bench.run('manifest', 'inspect', name));
}

const CROSS = `FROM --platform=$BUILDPLATFORM BASE AS tools
RUN echo ran-once >&2; head -c 8 /dev/urandom | od -An -tx1 > /stamp
FROM --platform=$BUILDPLATFORM tools AS cross
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT TARGETSTAGE BUILDPLATFORM
RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT. $TARGETSTAGE" > /out
FROM scratch
COPY --from=cross /out /stamp /
COPY file /
`;

describe.each(PEOPLE)('several platforms as %s', (person) => {
  test('an image each and an index of them, which has the name; stages of the build platform are built once', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, CROSS);
    for (const flags of [[], ['--no-cache', '--jobs', '3']]) {
      const said = bench.run('build', ...flags, ...PLATFORMS, '-t', 'app', context);
      expect(said.match(/ran-once$/gm)).toHaveLength(1);
      expect(said).toContain('[linux/arm64] [1/3] STEP 1/2: FROM');
    }
    const list = listOf(bench, 'app');
    expect(list.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(list.manifests.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
      { architecture: 'arm', os: 'linux', variant: 'v7' },
    ]);
    bench.run('push', 'app', `oci:${join(bench.directory, 'layout')}:x`);
    bench.run('push', 'app', `oci-archive:${join(bench.directory, 'app.tar')}:x`);
    const images = validateLayout(join(bench.directory, 'layout'));
    const texts = images.map(({ layers }) => layers[0]?.find(({ name }) => name === 'out')?.data.toString());
    expect(texts).toEqual([
      'linux/amd64 linux amd64 . default\n',
      'linux/arm64 linux arm64 . default\n',
      'linux/arm/v7 linux arm v7. default\n',
    ]);
    const stamps = images.map(({ layers }) =>
      layers[0]?.find(({ name }) => name === 'stamp')?.data.toString(),
    );
    expect(new Set(stamps).size).toBe(1);
    expect(images.map(({ config }) => [config.architecture, config.variant])).toEqual([
      ['amd64', undefined],
      ['arm64', undefined],
      ['arm', 'v7'],
    ]);
    const raw = spawnSync('skopeo', [
      'inspect',
      '--raw',
      `oci-archive:${join(bench.directory, 'app.tar')}:x`,
    ]);
    expect(JSON.parse(raw.stdout.toString())).toEqual(list);
    expect(bench.run('images', '--format', '{{.Name}}:{{.Tag}}', 'app')).toBe('localhost/app:latest');
    // the image for this machine is what the name stands for elsewhere
    expect(bench.run('inspect', '--type', 'image', '--format', '{{.OCIv1.Architecture}}', 'app')).toBe(HOST);
    bench.run('rmi', 'app');
    // the index of the first build has lost its name to that of the second
    bench.run('rmi', '--prune');
    expect(bench.run('images', '-aq')).toMatch(/^[0-9a-f]{12}$/);
  });

  test("Docker's format gives a manifest list; lists of other forms of the same images stay whole", () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM scratch\nCOPY file /\n');
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    bench.run('build', ...platforms, '-t', 'oci', context);
    const before = listOf(bench, 'oci');
    bench.run('build', ...platforms, '--format', 'docker', '-t', 'docker', context);
    bench.run(
      'build',
      ...platforms,
      '--compression-format',
      'zstd',
      '--force-compression',
      '-t',
      'zstd',
      context,
    );
    expect(listOf(bench, 'docker').mediaType).toBe(
      'application/vnd.docker.distribution.manifest.list.v2+json',
    );
    bench.run('rmi', '--prune');
    expect(listOf(bench, 'oci')).toEqual(before);
    for (const name of ['oci', 'docker', 'zstd']) {
      const layout = join(bench.directory, name);
      bench.run('push', name, `oci:${layout}`);
      expect(validateLayout(layout)).toHaveLength(2);
    }
    expect(bench.run('images', '--filter', 'dangling=false', '-q').split('\n')).toHaveLength(3);
  });

  test('BUILDKIT_MULTI_PLATFORM makes an index of one image; --manifest adds to a list', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n');
    bench.run('build', '--build-arg', 'BUILDKIT_MULTI_PLATFORM=1', '-t', 'one', context);
    expect(listOf(bench, 'one').manifests).toHaveLength(1);
    bench.run('build', '--platform', 'linux/s390x', '--manifest', 'all', context);
    bench.run('build', '--platform', 'linux/amd64,linux/riscv64', '--manifest', 'all', '-t', 'two', context);
    const container = bench.run('from', 'scratch');
    bench.run('config', '--arch', 'ppc64le', container);
    bench.run('commit', '--rm', '--manifest', 'all', container);
    const all = listOf(bench, 'all').manifests.map(({ platform }) => platform['architecture']);
    expect(all).toEqual(['s390x', 'amd64', 'riscv64', 'ppc64le']);
    expect(listOf(bench, 'two').manifests).toHaveLength(2);
    expect(bench.run('build', '-q', '--all-platforms', context)).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(join(context, 'Dockerfile'), 'FROM localhost/all\nCOPY file /more\n');
    bench.run('build', '--all-platforms', '-t', 'more', context);
    expect(listOf(bench, 'more').manifests.map(({ platform }) => platform['architecture'])).toEqual(all);
  });

  test.runIf(REGISTRY)(
    'bases of other platforms leave their names to those of this machine, and are pulled once',
    () => {
      using bench = new Bench(person);
      const context = contextOf(bench, 'FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n');
      const base = `${REGISTRY}/platforms/base-${person}`;
      const platforms = ['--tls-verify=false', '--platform', 'linux/amd64,linux/arm64'];
      bench.run('build', ...platforms, '--push', '-t', base, context);
      bench.run('rmi', '--all');
      writeFileSync(join(context, 'Dockerfile'), `FROM ${base}\nCOPY file /more\n`);
      const made = bench.run('build', '-q', ...platforms, '-t', 'app', context);
      const architecture = () =>
        bench.run('inspect', '--type', 'image', '--format', '{{.OCIv1.Architecture}}', base);
      expect(architecture()).toBe(HOST);
      expect(bench.run('build', '-q', ...platforms, '--pull=never', '-t', 'app', context)).toBe(made);
      const foreign = HOST === 'amd64' ? 'linux/arm64' : 'linux/amd64';
      bench.run('build', '--platform', foreign, '--pull=never', '-t', 'foreign', context);
      expect(architecture()).toBe(HOST);
      const { manifests } = listOf(bench, 'app');
      const layout = join(bench.directory, 'layout');
      bench.run('push', 'app', `oci:${layout}`);
      expect(validateLayout(layout).map(({ manifest }) => manifest.annotations)).toEqual(
        manifests.map(() =>
          expect.objectContaining({ 'org.opencontainers.image.base.name': `${base}:latest` }),
        ),
      );
      const missing = bench.try(['build', '--tls-verify=false', '--platform', 'linux/s390x', context]);
      expect(missing.stderr).toMatch(/no image for linux\/s390x[\s\S]*there is linux\/amd64, linux\/arm64/);
    },
  );

  test('a RUN of another platform without an emulator tells its line and the way out', () => {
    using bench = new Bench(person);
    const foreign = process.arch === 's390x' ? 'amd64' : 's390x';
    // the beginning of a program for s390x (big-endian) or amd64
    const head = Buffer.alloc(64);
    head.write('\x7fELF\x02', 'latin1');
    head[5] = foreign === 's390x' ? 2 : 1;
    head.writeUInt8(1, 6);
    if (foreign === 's390x') head.writeUInt16BE(22, 18);
    else head.writeUInt16LE(62, 18);
    const context = contextOf(bench, 'FROM scratch\nCOPY sh /bin/sh\nRUN true\n');
    writeFileSync(join(context, 'sh'), head, { mode: 0o755 });
    bench.ownAll(context);
    const { code, stderr } = bench.try(['build', '--platform', `linux/${foreign}`, context]);
    if (existsSync(`/proc/sys/fs/binfmt_misc/qemu-${foreign}`)) return;
    expect(code).toBe(1);
    expect(stderr).toContain(`Dockerfile:3`);
    expect(stderr).toMatch(/is a program for (?:s390x|x64) processors/);
    expect(stderr).toContain('FROM --platform=$BUILDPLATFORM');
  });

  test('files of several platforms: a directory each, in a directory or in a tar', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM scratch\nARG TARGETARCH\nCOPY --chown=5:6 file /$TARGETARCH/\nCOPY file /\n',
    );
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    const at = (...parts: string[]) => join(bench.directory, ...parts);
    bench.run('build', ...platforms, '-o', at('out'), '-o', `type=tar,dest=${at('out.tar')}`, context);
    expect(readFileSync(at('out/linux_amd64/amd64/file'), 'utf8')).toBe('same everywhere\n');
    const owner = statSync(at('out/linux_arm64/arm64/file')).uid;
    expect(owner).toBe(statSync(bench.directory).uid);
    const listed = spawnSync('tar', ['tf', at('out.tar')], { encoding: 'utf8' }).stdout.split('\n');
    expect(listed).toEqual(expect.arrayContaining(['linux_amd64/amd64/file', 'linux_arm64/arm64/file']));
    const joined = bench.try([
      ...['build', ...platforms, '-o', `type=local,dest=${at('joined')},platform-split=false`],
      context,
    ]);
    expect(joined.stderr).toContain('two platforms have the file "file"');
    const docker = bench.try(['build', ...platforms, '-o', `type=docker,dest=${at('d.tar')}`, context]);
    expect(docker.stderr).toContain('takes one image');
  });
});
