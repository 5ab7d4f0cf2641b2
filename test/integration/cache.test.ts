import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { sha256, TestRegistry } from '../helpers/registry.ts';

const FILE = `FROM BASE AS make
ARG WORD=one
COPY src /src
RUN cat /src/* > /made; echo $WORD >> /made; cat /proc/sys/kernel/random/uuid >> /made; chown 5:6 /made
RUN true
FROM BASE
WORKDIR /app
COPY --from=make --chown=7:8 /made /app/made
COPY conf /app/
RUN --mount=type=bind,from=make,source=/made,target=/m cat /m /app/conf > /app/all
CMD ["cat", "/app/all"]
`;
/** Steps of FILE that can make a layer. */
const STEPS = 7;

function contextOf(bench: Bench, dockerfile = FILE): string {
  const context = bench.mkdir('context');
  bench.mkdir('context/src');
  const files = {
    Dockerfile: dockerfile.replaceAll('BASE', inject('base')),
    'src/a': 'a',
    'src/b': 'b',
    conf: 'c',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(context, name), content);
  bench.ownAll(context);
  return context;
}

interface Built {
  readonly id: string;
  /** Steps that came from the cache. */
  readonly replayed: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function build(bench: Bench, ...args: readonly string[]): Promise<Built> {
  const { code, stdout, stderr } = await bench.call(['build', '--jobs=1', ...args]);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  const replayed = stdout.split('\n').filter((line) => line.startsWith('--> Using cache')).length;
  return { id: stdout.trim().split('\n').at(-1) ?? '', replayed, stdout, stderr };
}

const layersOf = (bench: Bench) => readdirSync(join(bench.root, 'layers'));

/** The configuration that a tag of the registry leads to. */
function configIn(registry: TestRegistry, repository: string, tag: string) {
  const manifest = JSON.parse(String(registry.repo(repository).manifests.get(tag)?.bytes)) as {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string; readonly mediaType: string }[];
  };
  const config = JSON.parse(String(registry.blobs.get(manifest.config.digest))) as Record<string, unknown> & {
    readonly rootfs: { readonly diff_ids: string[] };
    'io.bld.steps': { records: Record<string, unknown>[] };
  };
  return { manifest, config };
}

/** Puts another configuration in the place of a tag's own. */
function replaceConfig(
  registry: TestRegistry,
  repository: string,
  tag: string,
  change: (config: ReturnType<typeof configIn>['config']) => void,
): void {
  const { manifest, config } = configIn(registry, repository, tag);
  change(config);
  const bytes = JSON.stringify(config);
  const described = registry.addBlob(repository, bytes, 'application/vnd.oci.image.config.v1+json');
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  registry.addManifest(repository, tag, {
    mediaType,
    bytes: JSON.stringify({ ...manifest, config: described }),
  });
}

describe.each(PEOPLE)('as %s', (person) => {
  test('a cache in a registry is replayed on an empty store, whoever wrote it', async () => {
    await using registry = await TestRegistry.start();
    using writer = new Bench('root');
    const cache = `${registry.host}/team/app:cache`;
    const first = await build(
      writer,
      '--cache-to',
      `type=registry,ref=${cache},mode=max`,
      '-t',
      'app',
      contextOf(writer),
    );
    expect(first.replayed).toBe(0);

    using reader = new Bench(person);
    const context = contextOf(reader);
    registry.requests.length = 0;
    const image = `${registry.host}/team/image:1`;
    const again = await build(
      reader,
      '--cache-from',
      `type=registry,ref=${cache}`,
      '-t',
      `docker://${image}`,
      context,
    );
    expect(again).toMatchObject({ id: first.id, replayed: STEPS });
    // nothing was unpacked, and no layer of the cache came here
    expect(layersOf(reader)).toEqual([]);
    const { manifest } = configIn(registry, 'team/app', 'cache');
    const fetched = registry.trace().filter((line) => line.startsWith('GET') && line.includes('/blobs/'));
    for (const { digest } of manifest.layers) expect(fetched.join('\n')).not.toContain(digest);

    // an image that stays has its layers
    const kept = await build(reader, '--cache-from', `type=registry,ref=${cache}`, '-t', 'app', context);
    expect(kept).toMatchObject({ id: first.id, replayed: STEPS });
    const container = reader.run('from', 'app');
    expect(reader.run('run', container, 'stat', '-c', '%u:%g', '/app/made')).toBe('7:8');

    // what was imported is not believed without being asked for
    using other = new Bench(person);
    writeFileSync(join(context, 'conf'), 'changed');
    other.ownAll(context);
    const changed = await build(other, '--explain', '--cache-from', cache, '-t', 'app', context);
    expect(changed.replayed).toBe(STEPS - 2);
    expect(changed.stderr).toMatch(
      /cache miss: Dockerfile stage 1 step 4: content was "sha256:.*, is "sha256:/,
    );
    expect(changed.stderr).toContain(`cached: Dockerfile stage make step 3: from docker://${cache}`);
    expect((await build(other, context)).replayed).toBe(0);
  });

  test('an image carries the cache of its own steps', async () => {
    await using registry = await TestRegistry.start();
    using writer = new Bench(person);
    const context = contextOf(
      writer,
      'FROM BASE\nCOPY src /src\nRUN cat /proc/sys/kernel/random/uuid > /now\nRUN true\n',
    );
    const image = `${registry.host}/team/inline:1`;
    const first = await build(writer, '--cache-to', 'type=inline', '-t', `docker://${image}`, context);
    using reader = new Bench(person);
    const how = ['--cache-from', image, '--build-arg', 'BUILDKIT_INLINE_CACHE=1'];
    const again = await build(
      reader,
      ...how,
      '-t',
      `docker://${image}`,
      contextOf(reader, readFileSync(join(context, 'Dockerfile'), 'utf8')),
    );
    expect(again).toMatchObject({ id: first.id, replayed: 3 });
    const based = contextOf(reader, `FROM ${image}\nRUN true\n`);
    await build(reader, '-t', 'based', based);
    expect(reader.run('inspect', '--type', 'image', '--format', '{{.Config}}', 'based')).not.toContain(
      'io.bld.steps',
    );
  });

  test('an index carries the caches of all its images', async () => {
    await using registry = await TestRegistry.start();
    const file = 'FROM scratch\nARG TARGETARCH\nCOPY src/$TARGETARCH /own\n';
    const contextIn = (bench: Bench) => {
      const context = contextOf(bench, file);
      for (const name of ['amd64', 'arm64']) writeFileSync(join(context, 'src', name), name);
      return context;
    };
    const image = `${registry.host}/team/index:1`;
    const how = ['--platform', 'linux/amd64,linux/arm64', '--cache-to', 'type=inline'];
    using writer = new Bench(person);
    await build(writer, ...how, '-t', `docker://${image}`, contextIn(writer));
    using reader = new Bench(person);
    const again = await build(reader, ...how, '--cache-from', image, contextIn(reader));
    expect(again.replayed).toBe(2);
  });

  test('a cache in a directory; other tools read it as an image', async () => {
    using writer = new Bench(person);
    const place = join(writer.directory, 'cache');
    const first = await build(
      writer,
      '--cache-to',
      `type=local,dest=${place},mode=max,compression=zstd`,
      contextOf(writer),
    );
    const seen = writer.exec('skopeo', ['inspect', `oci:${place}:latest`]);
    expect(seen).toMatchObject({ code: 0 });
    writer.exec('skopeo', ['copy', `oci:${place}:latest`, `oci:${place}-copy:t`]);
    using reader = new Bench('root');
    const from = ['--cache-from', `type=local,src=${place}-copy,tag=t`];
    expect(await build(reader, ...from, contextOf(reader))).toMatchObject({ id: first.id, replayed: STEPS });
  });

  test('mode=min keeps the layers of the image alone, and tells of the others what is enough', async () => {
    using writer = new Bench(person);
    const place = join(writer.directory, 'cache');
    const how = ['--build-arg', 'WORD=secret'];
    const first = await build(writer, ...how, '--cache-to', `type=local,dest=${place}`, contextOf(writer));
    const { stdout } = writer.exec('skopeo', ['inspect', '--config', '--raw', `oci:${place}:latest`]);
    expect(stdout).not.toContain('secret');
    expect((JSON.parse(stdout) as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids).toHaveLength(4);
    using reader = new Bench('root');
    const from = [...how, '--cache-from', `type=local,src=${place}`];
    const context = contextOf(reader);
    expect(await build(reader, ...from, context)).toMatchObject({ id: first.id, replayed: STEPS });
    // what the other stage made is needed now
    writeFileSync(join(context, 'src/a'), 'changed');
    const changed = await build(reader, ...from, '-t', 'app', context);
    expect(reader.run('run', reader.run('from', 'app'), 'cat', '/app/made')).toMatch(/^changedbsecret\n/);
    expect(changed.stderr).not.toContain('begins again without');
  });

  test('a cache that cannot be read, lies or has holes is no reason to fail', async () => {
    await using registry = await TestRegistry.start();
    using writer = new Bench(person);
    const at = (tag: string) => `type=registry,ref=${registry.host}/team/app:${tag}`;
    const context = contextOf(
      writer,
      'FROM BASE\nCOPY src /src\nRUN cat /proc/sys/kernel/random/uuid > /now\nRUN cat /src/a > /end\n',
    );
    for (const tag of ['lies', 'holes', 'broken']) {
      await build(writer, '--cache-to', at(tag), '-t', 'app', context);
    }
    const told = async (tag: string) => {
      using reader = new Bench(person);
      const own = contextOf(
        reader,
        `${readFileSync(join(context, 'Dockerfile'), 'utf8')}RUN cat /end > /last\n`,
      );
      const made = await build(reader, '--cache-from', at(tag), '-t', 'app', own);
      const container = reader.run('from', 'app');
      expect(reader.run('run', container, 'cat', '/src/a', '/end', '/last')).toBe('aaa');
      return made;
    };
    expect((await told('nowhere')).stderr).toMatch(/the cache docker:.*:nowhere is not used: .*not/);

    // the layer of the one step is said to be that of another
    replaceConfig(registry, 'team/app', 'lies', ({ rootfs }) => void rootfs.diff_ids.reverse());
    const lied = await told('lies');
    expect(lied.stderr).toMatch(/the build begins again without the cache docker:.*:lies: .* it is not/);

    replaceConfig(registry, 'team/app', 'broken', (config) => {
      for (const record of config['io.bld.steps'].records) record['key'] = '../../etc';
    });
    expect((await told('broken')).stderr).toMatch(
      /is not used: .*io\.bld\.steps: records\.0\.key: malformed digest/,
    );

    for (const { digest } of configIn(registry, 'team/app', 'holes').manifest.layers)
      registry.blobs.delete(digest);
    expect((await told('holes')).stderr).toMatch(/the build begins again without the cache/);
  });

  test('steps are too old, or a stage is done anew', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench);
    await build(bench, context);
    expect((await build(bench, '--cache-ttl', '1h', context)).replayed).toBe(STEPS);
    expect((await build(bench, '--cache-ttl', '0', context)).replayed).toBe(0);
    await build(bench, context);
    // the other stage takes files that are new
    expect((await build(bench, '--no-cache-filter', 'MAKE,other', context)).replayed).toBe(1);
    const both = await bench.call(['build', '--layers=false', '--cache-to', 'type=inline', context]);
    expect(both).toMatchObject({ code: 125, stderr: expect.stringContaining('need --layers') });
  });

  test('bld cache lists, moves and prunes what is kept', async () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE\nCOPY conf /\nRUN --mount=type=cache,id=tools,target=/c echo x > /c/x; cat /proc/sys/kernel/random/uuid > /now\n',
    );
    const { id } = await build(bench, '-t', 'app', context);
    const listed = JSON.parse(bench.run('cache', 'ls', '--json')) as {
      type: string;
      name: string;
      size: number;
      inuse: boolean;
    }[];
    expect(listed.map(({ type, name, inuse }) => [type, name, inuse]).sort()).toEqual([
      ['mount', 'tools', false],
      ['step', 'Dockerfile stage 0 step 2', true],
      ['step', 'Dockerfile stage 0 step 3', true],
    ]);
    expect(listed.every(({ size }) => size > 0)).toBe(true);
    expect(bench.run('cache', 'ls', '-q', '--steps').split('\n')).toHaveLength(2);
    expect(bench.run('cache', 'ls', '--format', '{{.Type}} {{.Name}}', '--mounts')).toBe('mount   tools');

    const archive = `oci-archive:${join(bench.directory, 'cache.tar')}:all`;
    expect(bench.run('cache', 'export', '--image', 'app', archive)).toMatch(/^sha256:/);
    using other = new Bench('root');
    expect(other.run('cache', 'import', archive)).toBe('2 steps');
    const own = contextOf(other, readFileSync(join(context, 'Dockerfile'), 'utf8'));
    expect(await build(other, '--require-cached', own)).toMatchObject({ id, replayed: 2 });

    // an image stands on the steps: only the mount goes
    expect(bench.run('cache', 'prune').split('\n')).toHaveLength(2);
    expect(bench.run('cache', 'ls', '-q', '--mounts')).toBe('');
    expect(bench.run('cache', 'prune', '--older-than', '1h')).toBe('Total reclaimed space: 0 B');
    expect((await build(bench, context)).replayed).toBe(2);
    bench.run('rmi', 'app');
    expect(bench.run('cache', 'prune', '--keep-storage', '1g')).toBe('Total reclaimed space: 0 B');
    expect(bench.run('cache', 'prune').split('\n').length).toBeGreaterThan(2);
    expect(bench.run('cache', 'ls', '-q')).toBe('');
    expect(bench.run('run', bench.run('from', inject('base')), 'echo', 'well')).toBe('well');
  });

  test('cache mounts: locked ones wait, private ones are others, namespaces part them', async () => {
    using bench = new Bench(person);
    const mount = (id: string, sharing: string) =>
      `--mount=type=cache,id=${id},target=/${id}${sharing},sharing=${sharing}`;
    const use =
      'if test -e "$d/busy"; then echo SHARED; fi; touch "$d/busy"; sleep 2; rm -f "$d/busy"; echo $N >> "$d/log"';
    const dockerfile = `FROM BASE
ARG N
RUN ${mount('l', 'locked')} ${mount('m', 'locked')} d=/llocked; ${use}
RUN ${mount('p', 'private')} d=/pprivate; ${use}; cat "$d/log"
RUN ${mount('s', 'shared')} echo $N >> /sshared/log; echo "all $(sort -u /sshared/log | tr '\\n' ' ')"
RUN --mount=type=cache,target=/o,uid=12,gid=13,mode=750 stat -c 'owner %u:%g %a' /o
RUN --mount=type=cache,target=/f,from=BASE,source=/etc ls -d /f/passwd
`;
    const context = contextOf(bench, dockerfile);
    // the other takes the two in the other order
    const turned = bench.mkdir('turned');
    const [one, two] = [mount('l', 'locked'), mount('m', 'locked')];
    writeFileSync(
      join(turned, 'Dockerfile'),
      dockerfile.replaceAll('BASE', inject('base')).replace(`${one} ${two}`, `${two} ${one}`),
    );
    bench.ownAll(turned);
    await build(bench, '--build-arg', 'N=0', '--target', '0', contextOf(bench, 'FROM BASE\nRUN true\n'));
    contextOf(bench, dockerfile);
    const made = await Promise.all([
      build(bench, '--build-arg', 'N=1', context),
      build(bench, '--build-arg', 'N=2', turned),
    ]);
    for (const { stdout } of made) {
      expect(stdout).not.toContain('\nSHARED');
      expect(stdout).toContain('owner 12:13 750');
      expect(stdout).toContain('\n/f/passwd');
    }
    const last = await build(bench, '--build-arg', 'N=3', context);
    expect(last.stdout).toContain('all 1 2 3 ');
    const apart = await build(
      bench,
      '--build-arg',
      'N=4',
      '--build-arg',
      'BUILDKIT_CACHE_MOUNT_NS=team',
      context,
    );
    expect(apart.stdout).toContain('all 4 ');
    expect(apart.stdout).not.toContain('not consumed');
    expect(bench.run('cache', 'ls', '--mounts', '--format', '{{.Name}}').split('\n')).toEqual(
      expect.arrayContaining(['l', 'p', 's', '/o', '/f', 'team/s']),
    );
    expect(existsSync(join(bench.root, 'cache-mounts'))).toBe(true);
  });
});

test('a cache that cannot be written fails the build, unless that is told not to matter', async () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM BASE\nCOPY conf /etc\nRUN test -f /etc/conf\n');
  const to = 'type=registry,ref=127.0.0.1:1/team/app:c';
  const failed = await bench.call(['build', '--retry=0', '--cache-to', to, '-t', 'app', context]);
  expect(failed).toMatchObject({ code: 125, stderr: expect.stringMatching(/127\.0\.0\.1:1.*refused/i) });
  const made = await build(bench, '--retry=0', '--cache-to', `${to},ignore-error=true`, context);
  expect(made.stderr).toContain('the cache docker://127.0.0.1:1/team/app:c was not written');
  const none = await build(bench, '--cache-to', to, contextOf(bench, 'FROM BASE\nENV A=b\n'));
  expect(none.stderr).toContain('is not written: there are no steps');
  const place = await bench.call(['cache', 'export', `docker-archive:${bench.directory}/x`]);
  expect(place).toMatchObject({ code: 125, stderr: expect.stringContaining('keeps no build cache') });
  expect(existsSync(join(bench.directory, 'x'))).toBe(false);
});

test('the layers of a cache are the blobs of the pushed image', async () => {
  await using registry = await TestRegistry.start();
  using bench = new Bench('root');
  const image = `docker://${registry.host}/team/image:1`;
  const cache = `type=registry,ref=${registry.host}/team/cache:c`;
  await build(bench, '-t', image, '--cache-to', cache, contextOf(bench));
  const own = configIn(registry, 'team/cache', 'c').manifest.layers.map(({ digest }) => digest);
  const pushed = configIn(registry, 'team/image', '1').manifest.layers.map(({ digest }) => digest);
  expect(pushed).toEqual(expect.arrayContaining(own));
  const sent = registry.requests.filter(({ method, received }) => method !== 'GET' && received > 0).length;
  // the image's layers and base, two configurations, two manifests: no layer twice
  expect(sent).toBeLessThanOrEqual(pushed.length + 4);
  for (const digest of own) expect(sha256(registry.blobs.get(digest) ?? Buffer.alloc(0))).toBe(digest);
});
