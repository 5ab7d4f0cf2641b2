import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { validateLayout } from '../helpers/validate.ts';

const REGISTRY = inject('registry');

function contextOf(bench: Bench, dockerfile: string): string {
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'Dockerfile'), dockerfile.replaceAll('BASE', inject('base')));
  writeFileSync(join(context, 'file'), 'content\n');
  bench.ownAll(context);
  return context;
}

const SCRATCH = 'FROM scratch\nCOPY file /\n';

interface Metadata {
  readonly 'containerimage.config.digest'?: string;
  readonly 'containerimage.digest'?: string;
  readonly 'containerimage.descriptor'?: { mediaType: string; digest: string; size: number };
  readonly 'image.name'?: string;
}

function metadataOf(bench: Bench, ...words: string[]): Metadata {
  const path = join(bench.directory, 'metadata.json');
  bench.run('build', '-q', '--metadata-file', path, ...words);
  return JSON.parse(readFileSync(path, 'utf8'));
}

describe.each(PEOPLE)('outputs as %s', (person) => {
  test('archives and layouts, also to standard output, leave no image behind', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH);
    const layout = join(bench.directory, 'layout');
    const zstd = 'compression=zstd,force-compression=true,annotation.a=b';
    const made = metadataOf(bench, '-o', `type=oci,tar=false,dest=${layout},name=x,${zstd}`, context);
    const [image] = validateLayout(layout);
    expect(image?.manifest.layers[0].mediaType).toMatch(/zstd$/);
    expect(image?.manifest.annotations).toMatchObject({ a: 'b' });
    expect(made['containerimage.digest']).toBe(image?.digest);
    expect(made['containerimage.descriptor']).toEqual({
      mediaType: image?.mediaType,
      digest: image?.digest,
      size: JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].size,
    });
    for (const type of ['oci', 'docker']) {
      const path = join(bench.directory, `${type}.tar`);
      const words = ['build', '-o', `type=${type},dest=-`, context];
      const out = bench.exec('sh', [
        '-c',
        `"$0" "$@" > ${path}`,
        join(import.meta.dirname, '../../bin/bld'),
        ...words,
      ]);
      expect(out.code, out.stderr).toBe(0);
      expect(out.stderr).toContain('STEP 2/2: COPY file /');
      const { status, stdout } = spawnSync('skopeo', ['inspect', '--config', `${type}-archive:${path}`]);
      expect([type, status]).toEqual([type, 0]);
      expect(JSON.parse(stdout.toString()).rootfs.diff_ids).toHaveLength(1);
    }
    expect(bench.run('build', '-q', '-o', 'type=cacheonly', context)).toBe('');
    expect(bench.run('images', '-aq')).toBe('');
  });

  test('an archive and the files of one image at once', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH);
    const at = (name: string) => join(bench.directory, name);
    bench.run(
      'build',
      '-o',
      `type=oci,dest=${at('a.tar')}`,
      '-o',
      at('out'),
      '-o',
      `type=tar,dest=${at('f.tar')}`,
      context,
    );
    expect(readFileSync(at('out/file'), 'utf8')).toBe('content\n');
    expect(spawnSync('tar', ['xOf', at('f.tar'), 'file'], { encoding: 'utf8' }).stdout).toBe('content\n');
    expect(existsSync(at('a.tar'))).toBe(true);
  });

  test('metadata of an image in the store; annotations of the last build are those of the image', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH);
    for (const value of ['1', '2']) {
      const made = metadataOf(bench, '-t', 'app', '-t', 'other', '--annotation', `a=${value}`, context);
      expect(made['image.name']).toBe('localhost/app:latest,localhost/other:latest');
      const inspected = JSON.parse(bench.run('inspect', '--type', 'image', 'app'));
      expect(made['containerimage.digest']).toBe(inspected.FromImageDigest);
      expect(made['containerimage.config.digest']).toBe(`sha256:${inspected.FromImageID}`);
      expect(inspected.ImageAnnotations).toMatchObject({ a: value });
    }
  });

  test.runIf(REGISTRY)('images are pushed under names, by digest, as lists', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH);
    const repository = `${REGISTRY}/outputs/${person}`;
    const raw = (name: string) => {
      const words = ['inspect', '--raw', '--tls-verify=false', `docker://${repository}${name}`];
      return JSON.parse(spawnSync('skopeo', words).stdout.toString());
    };
    const flags = ['--tls-verify=false'];
    bench.run('build', ...flags, '--push', '-t', `${repository}:pushed`, context);
    expect(raw(':pushed').mediaType).toContain('oci.image.manifest');
    const output = `type=registry,name=${repository}:docker,oci-mediatypes=false`;
    bench.run('build', ...flags, '-o', output, context);
    expect(raw(':docker').mediaType).toContain('docker.distribution.manifest.v2');
    // the parts of a list, pushed by digest, then the list over them
    const digests = ['amd64', 'arm64'].map((architecture) => {
      const parts = `type=image,name=${repository},push-by-digest=true,name-canonical=true,push=true`;
      const made = metadataOf(bench, ...flags, '--platform', `linux/${architecture}`, '-o', parts, context);
      return made['containerimage.digest'] ?? '';
    });
    bench.run('manifest', 'create', 'parts');
    for (const digest of digests) {
      const platform = digest === digests[1] ? ['--arch', 'arm64'] : [];
      bench.run('manifest', 'add', ...flags, ...platform, 'parts', `docker://${repository}@${digest}`);
    }
    bench.run('manifest', 'push', ...flags, 'parts', `docker://${repository}:parts`);
    expect(raw(':parts').manifests.map(({ digest }: { digest: string }) => digest)).toEqual(digests);
    const multi = ['--platform', 'linux/amd64,linux/arm64', '-t', `${repository}:multi`];
    const made = metadataOf(bench, ...flags, '--push', ...multi, context);
    expect(raw(':multi').manifests).toHaveLength(2);
    expect(made['containerimage.descriptor']?.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(made['containerimage.config.digest']).toBeUndefined();
  });

  test('inheritance: labels and annotations of the base stay or go', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM scratch\nLABEL own=1\nCOPY file /\n');
    bench.run('build', '-t', 'base', '--annotation', 'from=base', context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM localhost/base AS below\nFROM below\nLABEL new=1\n');
    const inspect = (...flags: string[]) => {
      bench.run('build', '-t', 'child', ...flags, context);
      const { OCIv1, ImageAnnotations } = JSON.parse(bench.run('inspect', '--type', 'image', 'child'));
      return { labels: OCIv1.config.Labels, annotations: ImageAnnotations };
    };
    expect(inspect()).toMatchObject({ labels: { own: '1', new: '1' } });
    expect(inspect().annotations).not.toHaveProperty('from');
    const other = inspect('--inherit-labels=false', '--inherit-annotations');
    expect(other).toMatchObject({ labels: { new: '1' }, annotations: { from: 'base' } });
    expect(other.labels).not.toHaveProperty('own');
    const platform = ['--os-version', '10.0', '--os-feature', 'win32k'];
    bench.run('build', ...platform, '-t', 'windows', context);
    const config = JSON.parse(bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', 'windows'));
    expect(config).toMatchObject({ 'os.version': '10.0', 'os.features': ['win32k'] });
    writeFileSync(
      join(context, 'Dockerfile'),
      `FROM ${inject('base')}\nRUN echo unused\nFROM scratch\nCOPY file /\n`,
    );
    expect(bench.run('build', context)).not.toMatch(/^unused$/m);
    expect(bench.run('build', '--skip-unused-stages=false', context)).toMatch(/^unused$/m);
  });
});

describe('reproducible builds', () => {
  const DOCKERFILE = `FROM BASE AS tools
RUN mkdir -p /made/deep && echo x > /made/deep/x && ln /made/deep/x /made/hard && chown 3:4 /made
FROM BASE
ARG SOURCE_DATE_EPOCH
LABEL a=b
COPY --chown=5:6 file /copied/
COPY --from=tools /made /made
WORKDIR /work/dir
RUN echo "\${SOURCE_DATE_EPOCH:-none}" > epoch && mkfifo /pipe && chmod 4755 epoch
ENV X=y
`;
  const MODES: readonly (readonly string[])[] = [
    ['--timestamp', '1700000000'],
    ['--timestamp', '5', '--squash'],
    ['--timestamp', '9', '--layers=false', '--format', 'docker'],
    ['--source-date-epoch', '1700000000', '--rewrite-timestamp'],
    ['--source-date-epoch', '7', '-o', 'type=image,name=r,rewrite-timestamp=true'],
    ['--build-arg', 'SOURCE_DATE_EPOCH=11', '--rewrite-timestamp', '--squash'],
  ];

  test('are the same for everybody, at any time', () => {
    const digests = PEOPLE.map((person, at) => {
      using bench = new Bench(person);
      const context = contextOf(bench, DOCKERFILE);
      mkdirSync(join(context, 'more'));
      utimesSync(join(context, 'file'), 1_800_000_000 + at, 1_800_000_000 + at);
      return MODES.map((mode) => metadataOf(bench, '-t', 'r', ...mode, context)['containerimage.digest']);
    });
    for (const own of digests) expect(own).toEqual(digests[0]);
    expect(new Set(digests[0]).size).toBe(MODES.length);
  });

  test('dates: the epoch everywhere; files are set, clamped, or left as they are', () => {
    const [person = 'root'] = PEOPLE;
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM scratch\nCOPY file old /\n');
    writeFileSync(join(context, 'old'), 'old');
    bench.ownAll(context);
    utimesSync(join(context, 'old'), 100, 100);
    const mtimes = (...flags: string[]) => {
      const out = join(bench.directory, `${flags.join('').replaceAll('-', '')}.tar`);
      bench.run('build', '-q', '-t', 'dated', ...flags, '-o', `type=tar,dest=${out}`, context);
      const { stdout } = spawnSync('tar', ['tvf', out, '--full-time', '--utc'], { encoding: 'utf8' });
      const config = JSON.parse(bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', 'dated'));
      const times = Object.fromEntries(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/ +/))
          .map((words) => [words[5], words[3]?.slice(0, 4)]),
      );
      return { created: config.created, times };
    };
    expect(mtimes('--timestamp', '86400')).toMatchObject({
      created: '1970-01-02T00:00:00Z',
      times: { file: '1970', old: '1970' },
    });
    const epoch = ['--source-date-epoch', '1000000000'];
    const year = String(new Date().getUTCFullYear());
    expect(mtimes(...epoch)).toMatchObject({ created: '2001-09-09T01:46:40Z', times: { file: year } });
    expect(mtimes(...epoch, '--rewrite-timestamp')).toMatchObject({ times: { file: '2001', old: '1970' } });
  });
});
