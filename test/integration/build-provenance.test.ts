import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { attested, attestedIn, type Statement, sha256 } from '../helpers/attested.ts';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { contextOf, directoryOf } from '../helpers/contexts.ts';
import { FileServer } from '../helpers/file-server.ts';
import { GitServer } from '../helpers/git.ts';

const REGISTRY = inject('registry');

let repositories: GitServer;
let files: FileServer;
beforeAll(async () => {
  repositories = await GitServer.start();
  files = await FileServer.start();
});
afterAll(async () => {
  await repositories[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
});

const SCRATCH = 'FROM scratch\nCOPY file /\n';

describe.each(PEOPLE)('provenance as %s', (person) => {
  test('stands beside the image in an index: what was built, of what, by which steps', async () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE AS base\nARG V\nRUN echo $V > /made\nFROM scratch\nCOPY --from=base /made /\nCOPY file /\n',
      { file: 'content' },
    );
    const { manifests, statements } = await attested(
      bench,
      ...['--provenance', '--build-arg', 'V=1', '--label', 'l=x', '--target', '1', context],
    );
    expect(manifests).toHaveLength(2);
    expect(manifests[0]?.platform).toMatchObject({ os: 'linux' });
    const [{ predicate, ...statement }] = statements;
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType: 'https://slsa.dev/provenance/v1',
    });
    const { externalParameters, internalParameters, resolvedDependencies } = predicate.buildDefinition;
    expect(externalParameters).toEqual({
      configSource: { path: 'Dockerfile' },
      request: {
        frontend: 'dockerfile',
        args: { 'build-arg:V': '1', 'label:l': 'x', target: '1' },
        locals: [{ name: 'context' }, { name: 'dockerfile' }],
      },
    });
    expect(resolvedDependencies).toHaveLength(1);
    expect(resolvedDependencies[0].digest.sha256).toMatch(/^[0-9a-f]{64}$/);
    const { steps } = internalParameters.buildConfig;
    expect(steps.map(({ stage, instruction }: Statement) => [stage, instruction.split(' ')[0]])).toEqual([
      ['base', 'FROM'],
      ['base', 'ARG'],
      ['base', 'RUN'],
      ['1', 'FROM'],
      ['1', 'COPY'],
      ['1', 'COPY'],
    ]);
    expect(steps.filter(({ layer }: Statement) => layer)).toHaveLength(3);
    const { metadata } = predicate.runDetails;
    const { data } = metadata.bld_metadata.source.infos[0];
    expect(Buffer.from(data, 'base64').toString()).toBe(readFileSync(join(context, 'Dockerfile'), 'utf8'));
    expect(Date.parse(metadata.startedOn)).toBeLessThanOrEqual(Date.parse(metadata.finishedOn));
    expect(bench.run('images', '-aq')).not.toContain('\n');
  });

  test('with a date two builds give the same index, done or from the cache, in any store', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nRUN echo x > /x\nCOPY file /\n', { file: 'content' });
    const flags = ['--provenance=mode=max', '--timestamp', '1700000000', context];
    const first = await attested(bench, ...flags);
    using other = new Bench(person);
    const again = [
      await attested(bench, ...flags),
      await attested(bench, '--no-cache', ...flags),
      await attested(
        other,
        ...flags.slice(0, -1),
        contextOf(other, 'FROM BASE\nRUN echo x > /x\nCOPY file /\n', { file: 'content' }),
      ),
    ];
    expect(again.map(({ id }) => id)).toEqual([first.id, first.id, first.id]);
    expect(first.statements[0].predicate.runDetails.metadata).toMatchObject({
      startedOn: '2023-11-14T22:13:20Z',
      finishedOn: '2023-11-14T22:13:20Z',
    });
    const dated = await attested(bench, '--provenance', '--build-arg', 'SOURCE_DATE_EPOCH=5', context);
    expect(dated.statements[0].predicate.runDetails.metadata.startedOn).toBe('1970-01-01T00:00:05Z');
  });

  test('what came from elsewhere is told with its digest, and without secrets', async () => {
    using bench = new Bench(person);
    const name = `provenance-${person}.git`;
    const repository = repositories.repository(name).write({ file: 'content' });
    const commit = repository.commit();
    files.serve(`file-${person}`, Buffer.from('served'));
    const file = `${files.url}/file-${person}`;
    const git = `${repositories.url}/${name}`;
    const dockerfile = `FROM scratch
ADD ${file.replace('//', '//user:passw0rd@')}?sig=s1gnature /served
ADD ${git}#main /src
COPY --from=other file /
COPY --from=archive-image /etc/passwd /
LABEL hidden=${'$'}TOKEN
`;
    const context = contextOf(bench, dockerfile);
    const other = directoryOf(bench, 'other', { file: 'x' });
    const secret = join(directoryOf(bench, 'secret', { token: 'very-secret-value' }), 'token');
    const { statements } = await attested(
      bench,
      ...['--attest', 'type=provenance,version=v0.2,builder-id=https://ci.example/1'],
      ...[
        '--secret',
        `id=token,src=${secret}`,
        '--build-arg',
        'URL=https://me:passw0rd@example.com/very-secret-value',
      ],
      ...[
        '--build-context',
        `other=${other}`,
        '--build-context',
        `archive-image=docker-image://${inject('base')}`,
      ],
      context,
    );
    const text = JSON.stringify(statements);
    const decoded = Buffer.from(
      statements[0].predicate.metadata['urn:bld:build:v1#metadata'].source.infos[0].data,
      'base64',
    ).toString();
    expect(decoded).toContain('COPY --from=other file /');
    for (const hidden of ['passw0rd', 'very-secret-value', bench.directory])
      expect([hidden, text.includes(hidden)]).toEqual([hidden, false]);
    expect(decoded).not.toContain('passw0rd');
    const { materials, invocation, builder } = statements[0].predicate;
    expect(builder).toEqual({ id: 'https://ci.example/1' });
    expect(materials).toEqual(
      expect.arrayContaining([
        { uri: `${git}#main`, digest: { sha1: commit } },
        { uri: `${file}?sig=***`, digest: { sha256: sha256('served') } },
      ]),
    );
    expect(materials).toHaveLength(3);
    expect(JSON.stringify(materials)).not.toContain('s1gnature');
    expect(invocation.parameters).toMatchObject({
      args: { 'build-arg:URL': 'https://***@example.com/***', 'context:other': 'local:other' },
      secrets: [{ id: 'token' }],
      locals: [{ name: 'context' }, { name: 'dockerfile' }, { name: 'other' }],
    });
  });

  test('a repository as the context is where the build came from', async () => {
    using bench = new Bench(person);
    const name = `origin-${person}.git`;
    const repository = repositories.repository(name).write({ Dockerfile: SCRATCH, file: 'content' });
    const commit = repository.commit();
    const url = `${repositories.url}/${name}`;
    const { statements } = await attested(bench, '--provenance=mode=min', `${url}#main`);
    const source = { uri: `${url}#main`, digest: { sha1: commit } };
    expect(statements[0].predicate).toMatchObject({
      buildDefinition: {
        externalParameters: {
          configSource: { ...source, path: 'Dockerfile' },
          request: { frontend: 'dockerfile' },
        },
        resolvedDependencies: [source],
      },
      runDetails: { metadata: { bld_completeness: { request: true, resolvedDependencies: true } } },
    });
  });

  test('several platforms: an attestation for each; the store keeps the index, and lets go of it', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH, { file: 'content' });
    const metadata = join(bench.directory, 'metadata.json');
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    const id = bench.run(
      'build',
      ...['-q', '--provenance', ...platforms, '--metadata-file', metadata, '-t', 'app', context],
    );
    const told = JSON.parse(readFileSync(metadata, 'utf8'));
    expect(told['containerimage.digest']).toBe(`sha256:${id}`);
    expect(told['buildx.build.provenance/linux/arm64']).toMatchObject({
      invocation: { configSource: { entryPoint: 'Dockerfile' } },
    });
    const layout = join(bench.directory, 'pushed');
    bench.run('push', 'app', `oci:${layout}:x`);
    const { manifests, statements } = attestedIn(layout);
    expect(manifests.map(({ platform }) => platform?.['architecture'])).toEqual([
      'amd64',
      'arm64',
      'unknown',
      'unknown',
    ]);
    expect(statements.map(({ subject }) => subject[0].name)).toEqual([
      'pkg:docker/localhost/app@latest?platform=linux%2Famd64',
      'pkg:docker/localhost/app@latest?platform=linux%2Farm64',
    ]);
    const derived = directoryOf(bench, 'derived', {
      Dockerfile: 'FROM localhost/app\nCOPY --from=localhost/app file /again\n',
    });
    bench.run('build', '-t', 'derived', derived);
    bench.run('rmi', 'derived');
    bench.run('rmi', 'app');
    expect(bench.run('images', '-aq')).toBe('');
  });

  test('is left out of an index in another format, whose images it is not about', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH, { file: 'content' });
    bench.run('build', '-q', '--provenance=true', '-t', 'app', context);
    const pushed = bench.try(['push', '--format', 'docker', 'app', `dir:${bench.directory}/out`]);
    expect(pushed.stderr).toContain('attestations are left out');
    const index = JSON.parse(readFileSync(join(bench.directory, 'out/manifest.json'), 'utf8')) as Statement;
    expect(index.manifests).toHaveLength(1);
    expect(index.manifests[0].mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
  });

  test('beside files of the image it is a file that tells the digest of each', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH, { file: 'content' });
    const at = (name: string) => join(bench.directory, name);
    const read = (name: string): Statement => JSON.parse(readFileSync(at(name), 'utf8'));
    const build = (...args: string[]) => bench.run('build', '-q', ...args, context);
    build('--provenance', '-o', at('out'), '-o', `type=tar,dest=${at('out.tar')}`);
    expect(read('out/provenance.json').subject).toEqual([
      { name: 'file', digest: { sha256: sha256('content') } },
    ]);
    const listed = bench.exec('tar', ['-tf', at('out.tar')]).stdout.split('\n');
    expect(listed).toEqual(expect.arrayContaining(['file', 'provenance.json']));
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    build('--provenance=mode=min,filename=p.json', ...platforms, '-o', at('parted'));
    expect(read('parted/linux_arm64/p.json').subject[0].name).toBe('file');
    build('--provenance=inline-only=true', '-o', at('plain'));
    expect(existsSync(at('plain/file'))).toBe(true);
    expect(existsSync(at('plain/provenance.json'))).toBe(false);
    const taken = bench.try(['build', '--provenance=filename=file', '-o', at('taken'), context]);
    expect([taken.code, taken.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining('filename=NAME'),
    ]);
    expect(taken.code).not.toBe(0);
    directoryOf(bench, 'context', {
      Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n',
    });
    build('--provenance', ...platforms, '-o', `type=local,dest=${at('whole')},platform-split=false`);
    expect(read('whole/provenance.linux_amd64.json').subject[0].name).toBe('amd64');
    expect(existsSync(at('whole/provenance.linux_arm64.json'))).toBe(true);
  });

  test('the form of outputs holds; places without indexes are refused; lists get attestations, too', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH, { file: 'content' });
    const layout = join(bench.directory, 'zstd');
    const output = `type=oci,tar=false,dest=${layout}`;
    bench.run('build', '-q', '--provenance', '-o', `${output},compression=zstd`, context);
    const [image] = attestedIn(layout).manifests;
    const manifest = readFileSync(join(layout, 'blobs/sha256', image?.digest.slice(7) ?? ''), 'utf8');
    expect(JSON.parse(manifest).layers[0].mediaType).toMatch(/zstd$/);
    const docker = bench.try(['build', '-q', '--provenance', '--format', 'docker', '-t', 'd', context]);
    expect([docker.code, docker.stderr]).toEqual([0, expect.stringContaining('OCI')]);
    for (const places of [
      ['-o', `type=docker,dest=${layout}.tar`],
      ['-o', output, '-o', `type=oci,dest=${layout}.tar,compression=zstd`],
    ]) {
      const refused = bench.try(['build', '--provenance', ...places, context]);
      expect([places, refused.code === 0]).toEqual([places, false]);
      expect(refused.stderr).not.toContain('STEP');
    }
    bench.run('build', '-q', '--provenance', '--manifest', 'list', context);
    expect(JSON.parse(bench.run('manifest', 'inspect', 'list')).manifests).toHaveLength(2);
    expect(bench.run('build', '-q', '--provenance', '-o', 'type=cacheonly', context)).toBe('');
    const off = bench.run('build', '-q', '--provenance=false', '-t', 'off', context);
    expect(bench.run('inspect', '--type', 'image', '--format', '{{.FromImageID}}', 'off')).toBe(off);
  });

  test.runIf(REGISTRY)('goes to a registry with the image, under its name and by digest', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH, { file: 'content' });
    const name = `${REGISTRY}/provenance/${person}`;
    const id = bench.run('build', '-q', '--tls-verify=false', '--provenance', '--push', '-t', name, context);
    const layout = join(bench.directory, 'copied');
    const copied = bench.exec('skopeo', [
      ...[
        'copy',
        '-q',
        '--all',
        '--src-tls-verify=false',
        `docker://${name}@sha256:${id}`,
        `oci:${layout}:x`,
      ],
    ]);
    expect(copied.code, copied.stderr).toBe(0);
    const { manifests, statements } = attestedIn(layout);
    const { os, architecture } = manifests[0]?.platform ?? {};
    expect(statements[0].subject[0].name).toBe(`pkg:docker/${name}@latest?platform=${os}%2F${architecture}`);
    bench.run('rmi', '--all');
    bench.run('pull', '-q', '--tls-verify=false', name);
    const digested = `type=image,name=${name},push=true,push-by-digest=true`;
    bench.run(
      'build',
      '-q',
      '--tls-verify=false',
      '--provenance',
      '--timestamp',
      '1',
      '-o',
      digested,
      context,
    );
  });
});
