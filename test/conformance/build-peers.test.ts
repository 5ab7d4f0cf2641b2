import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';

const hasBuildah = spawnSync('sh', ['-c', 'command -v buildah']).status === 0;
const BASE = 'localhost/conformance-base:1';
let work = '';

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'bld-build-peers-'));
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

/** What Buildah 1.28, an old one, can build too; each without what the two do differently on purpose. */
const DOCKERFILES: Readonly<Record<string, string>> = {
  settings: `FROM BASE
ARG V=1
ENV A=$V B="x y" C=\${A:-z}
LABEL one=1 two="2 3"
EXPOSE 80 53/udp
VOLUME ["/data"]
USER 10:20
WORKDIR /work
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["true"]
STOPSIGNAL SIGTERM
`,
  files: `FROM BASE AS one
RUN mkdir -p /made/deep && echo a > /made/a && ln -s a /made/link && chown 5:6 /made/a
FROM BASE
COPY dir /copied
COPY dir/*.txt /texts/
COPY --chown=7:8 file /owned/file
COPY --from=one /made /made
ADD archive.tar /unpacked/
RUN rm -r /copied/sub && echo more >> /texts/b.txt
`,
  triggers: `FROM BASE AS parent
ONBUILD RUN echo triggered > /triggered
FROM parent
RUN cat /triggered > /seen
`,
};

function context(name: string): string {
  const directory = join(work, name);
  mkdirSync(join(directory, 'dir/sub'), { recursive: true });
  const files = { file: 'f', 'dir/a.txt': 'a', 'dir/b.txt': 'b', 'dir/sub/c': 'c' };
  for (const [path, text] of Object.entries(files)) writeFileSync(join(directory, path), text);
  spawnSync('tar', [
    '-cf',
    join(directory, 'archive.tar'),
    '--owner=3:3',
    '--group=4:4',
    '-C',
    join(directory, 'dir'),
    'a.txt',
    'sub',
  ]);
  return directory;
}

/** What is set: null, an empty list and an empty map say the same. */
function filled(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isEmpty = (value: unknown) =>
    value === null || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => !isEmpty(value)));
}

/** The settings of an archive's image, and its files as a container sees them: type, mode, owner, size, name. */
function contentOf(bench: Bench, archive: string) {
  const container = bench.run('from', `docker-archive:${archive}`);
  const config = bench.run('inspect', '--format', '{{json .Docker.Config}}', container);
  const listing =
    'find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /etc \\) -prune -o -exec stat -c "%F %a %u:%g %n" {} +';
  const files = bench.run(
    'run',
    '--user',
    '0',
    '--workingdir',
    '/',
    container,
    'sh',
    '-c',
    `${listing} | sort`,
  );
  return { config: filled(JSON.parse(config) as Record<string, unknown>), files: files.split('\n') };
}

describe.skipIf(!hasBuildah)('as Buildah builds it', () => {
  test.each(Object.entries(DOCKERFILES))('%s', (name, text) => {
    using bench = new Bench('root');
    const directory = context(name);
    writeFileSync(join(directory, 'Dockerfile'), text.replaceAll('BASE', BASE));
    bench.run('tag', bench.run('pull', '-q', inject('base')), BASE);
    const own = join(work, `${name}-bld.tar`);
    const theirs = join(work, `${name}-buildah.tar`);
    bench.run('build', '-q', '--format', 'docker', '-t', `docker-archive:${own}`, directory);
    const store = ['--root', join(work, 'root'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs'];
    spawnSync('skopeo', [
      'copy',
      '-q',
      inject('base'),
      `docker-archive:${join(work, `${name}-base.tar`)}:${BASE}`,
    ]);
    spawnSync('buildah', [...store, 'pull', '-q', `docker-archive:${join(work, `${name}-base.tar`)}`]);
    const flags = ['--isolation', 'chroot', '--format', 'docker', '-q', '-t', `docker-archive:${theirs}`];
    const built = spawnSync('buildah', [...store, 'bud', ...flags, directory], { encoding: 'utf8' });
    expect(built.status, built.stderr).toBe(0);
    const [mine, peer] = [contentOf(bench, own), contentOf(bench, theirs)];
    const { Labels, ArgsEscaped, Hostname, ...settings } = peer.config;
    const { 'io.buildah.version': _, ...labels } = (Labels ?? {}) as Record<string, string>;
    expect(mine.config).toMatchObject(settings);
    expect(mine.config['Labels'] ?? {}).toEqual(labels);
    expect(mine.files).toEqual(peer.files.filter((line) => !line.endsWith(' /run')));
  });
});
