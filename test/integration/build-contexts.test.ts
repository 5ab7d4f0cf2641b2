import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { digestOf } from '../../src/base/digest.ts';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { built, directoryOf, runIn } from '../helpers/contexts.ts';
import { serve } from '../helpers/serve.ts';

const FILTERS = { tar: 'cat', 'tar.gz': 'gzip', 'tar.bz2': 'bzip2', 'tar.xz': 'xz', 'tar.zst': 'zstd -q' };

describe.each(PEOPLE)('as %s', (person) => {
  test.each(Object.entries(FILTERS))(
    'a %s is a context: a file, standard input, an address',
    async (ending, filter) => {
      using bench = new Bench(person);
      const files = directoryOf(bench, 'files', { Dockerfile: 'FROM BASE\nCOPY . /src\n', file: 'content' });
      const name = `context.${ending}`;
      expect(bench.exec('sh', ['-c', `tar -c -C ${files} . | ${filter} > ${name}`]).code).toBe(0);
      const path = join(bench.directory, name);
      const url = await serve((request, response) => {
        if (request.url === `/moved/${name}`)
          return response.writeHead(302, { location: `/${name}?x=1` }).end();
        return response.end(readFileSync(path));
      });
      const image = await built(bench, [path]);
      expect(runIn(bench, image, 'sh', '-c', 'cat /src/file')).toBe('content');
      expect(await built(bench, [`${url}/moved/${name}`])).toBe(image);
      expect(bench.runWith({ input: readFileSync(path) }, 'build', '-q', '-')).toBe(image);
    },
  );

  test('named contexts: a directory with an ignore file, a layout, an archive, an image, a stage', async () => {
    using bench = new Bench(person);
    const extra = directoryOf(bench, 'extra', { file: 'named', left: 'x', '.dockerignore': 'left\n' });
    const archive = join(bench.directory, 'extra.tar');
    expect(bench.exec('tar', ['-cf', archive, '-C', extra, '.']).code).toBe(0);
    const url = await serve((_, response) => response.end(readFileSync(archive)));
    const layout = join(bench.directory, 'layout');
    bench.runWith(
      { input: `FROM ${inject('base')}\nRUN echo layout > /layout\n` },
      'build',
      '-t',
      `oci:${layout}:tag`,
      '-',
    );
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    const digest = index.manifests[0]?.digest ?? '';
    const context = directoryOf(bench, 'context', {
      Dockerfile: `FROM BASE AS made
RUN echo made > /made
FROM scratch AS replaced
COPY nothing /
FROM example.com/team/image:1
COPY --from=replaced . /r/
COPY --from=dir . /d/
COPY --from=web . /w/
COPY --from=lay /layout /l
COPY --from=alias /made /m
RUN --mount=type=bind,from=dir,target=/b ls /b > /bound
`,
    });
    const named = {
      'example.com/team/image:1': `oci-layout://${layout}:tag`,
      replaced: extra,
      dir: extra,
      web: `${url}/extra.tar`,
      lay: `oci-layout://${layout}@${digest}`,
      alias: 'target:made',
    };
    const flags = Object.entries(named).flatMap(([name, value]) => ['--build-context', `${name}=${value}`]);
    const image = await built(bench, [...flags, context]);
    expect(runIn(bench, image, 'sh', '-c', 'cat /layout /l /m /bound; ls -A /r /d /w')).toBe(
      'layout\nlayout\nmade\nfile\n/d:\n.dockerignore\nfile\n\n/r:\n.dockerignore\nfile\n\n/w:\n.dockerignore\nfile',
    );
  });

  test('--link makes a layer that no other change touches', () => {
    using bench = new Bench(person);
    const context = directoryOf(bench, 'context', { file: 'content', Dockerfile: '' });
    const write = (base: string) =>
      writeFileSync(
        join(context, 'Dockerfile'),
        `FROM ${inject('base')}\nRUN mkdir -m 700 /own && ln -s /own /lnk && echo ${base} > /base\nCOPY --link --chown=3:4 file /own/sub/\nCOPY --link file /lnk/file\nCOPY --link --chown=app file /by-name\n`,
      );
    write('one');
    const first = bench.run('build', '-q', context);
    expect(
      runIn(
        bench,
        first,
        'sh',
        '-c',
        'stat -c "%n %F %a %u:%g" /own /own/sub /own/sub/file /lnk /by-name; cat /base',
      ),
    ).toBe(
      '/own directory 755 3:4\n/own/sub directory 755 3:4\n/own/sub/file regular file 644 3:4\n' +
        '/lnk directory 755 0:0\n/by-name regular file 644 1000:1001\none',
    );
    write('two');
    expect(bench.run('build', context).match(/Using cache/g)).toHaveLength(3);
    const container = bench.run('from', 'scratch');
    bench.run('copy', '-q', '--link', '--cache', container, join(context, 'file'), '/a/file');
    bench.run('copy', '-q', '--link', container, join(context, 'file'), '/b/file');
    const id = bench.run('commit', '-q', container);
    const config = JSON.parse(bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', id)) as {
      rootfs: { diff_ids: string[] };
    };
    expect(config.rootfs.diff_ids).toHaveLength(2);
  });

  test('--from, --mount, --no-hosts and --no-hostname', () => {
    using bench = new Bench(person);
    const context = directoryOf(bench, 'context', {
      file: 'content',
      Dockerfile: `FROM example.com/nothing:1 AS first
RUN cat /bound/file > /o; cat /etc/hosts /etc/hostname > /h 2>&1 || true
FROM first
RUN cat /bound/file >> /o
`,
    });
    const image = bench.run(
      ...['build', '-q', '--from', inject('base'), '--mount', 'type=bind,target=/bound'],
      ...['--no-hosts', '--no-hostname', context],
    );
    expect(runIn(bench, image, 'sh', '-c', 'cat /o; grep -c "No such" /h')).toBe('contentcontent2');
  });

  test('mount options of Buildah: U, z, relabel, bind-propagation, bind-nonrecursive, consistency', () => {
    using bench = new Bench(person);
    const context = directoryOf(bench, 'context', {
      file: 'content',
      Dockerfile: `FROM BASE
USER app
RUN --mount=type=bind,target=/b,z,relabel=shared,bind-propagation=rslave,bind-nonrecursive,consistency=cached cat /b/file
RUN --mount=type=bind,target=/b,U,rw stat -c %u:%g /b/file && touch /b/new
RUN --mount=type=secret,id=s,U cat /run/secrets/s
`,
    });
    writeFileSync(join(bench.directory, 's'), 'secret');
    bench.own(join(bench.directory, 's'));
    const said = bench.run('build', '--secret', `id=s,src=${bench.directory}/s`, context);
    expect(said).toContain('1000:1001');
    expect(said).toContain('secret');
  });

  test('--ssh takes keys', () => {
    using bench = new Bench(person);
    const context = directoryOf(bench, 'context', {
      Dockerfile: 'FROM BASE\nRUN --mount=type=ssh,id=a test -S $SSH_AUTH_SOCK\n',
    });
    const key = (name: string, passphrase: string) => {
      const path = join(bench.directory, name);
      expect(bench.exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', path]).code).toBe(0);
      return path;
    };
    const [one, two, locked] = [key('one', ''), key('two', ''), key('locked', 'secret')];
    bench.run('build', '-q', '--ssh', `a=${one},${two}`, context);
    const refused = bench.try(['build', '--ssh', `a=${locked}`, context]);
    expect(refused.stderr).toContain(`key ${locked}`);
    expect(refused.code).toBe(125);
    expect(bench.exec('pgrep', ['-f', `ssh-agent -a ${bench.root}`]).stdout).toBe('');
  });
});

test('an address may be a Dockerfile, and -f may be an address', async () => {
  using bench = new Bench('root');
  const url = await serve((_, response) => response.end('FROM scratch\nLABEL from=web\n'));
  const image = await built(bench, ['--timestamp', '0', `${url}/`]);
  const context = directoryOf(bench, 'context', { file: 'x' });
  expect(await built(bench, ['--timestamp', '0', '-f', `${url}/Dockerfile`, context])).toBe(image);
  const both = await bench.meanwhile(['build', '-f', 'x', `${url}/`]);
  expect(both.stderr).toContain('the context is a Dockerfile, and -f names another');
});

test('ADD logs in with a host by secrets, and not elsewhere', async () => {
  using bench = new Bench('root');
  const logins: (string | undefined)[] = [];
  const other = await serve((request, response) => {
    logins.push(request.headers.authorization);
    response.writeHead(200, { 'last-modified': 'Thu, 01 Jan 2015 00:00:00 GMT' }).end('content');
  });
  const url = await serve((request, response) => {
    if (request.headers.authorization !== 'Bearer s3cret') return response.writeHead(401).end();
    return response.writeHead(302, { location: `${other}/file` }).end();
  });
  const { host } = new URL(url);
  const context = directoryOf(bench, 'context', {
    Dockerfile: `FROM BASE\nADD --checksum=${digestOf('content')} ${url}/file /file\nRUN stat -c %Y /file > /time\n`,
  });
  const env = { T: 's3cret', H: 'Bearer s3cret' };
  const image = await built(bench, ['--secret', `id=HTTP_AUTH_TOKEN_${host},env=T`, context], { env });
  expect(runIn(bench, image, 'sh', '-c', 'cat /file /time')).toBe('content1420070400');
  await built(bench, ['--no-cache', '--secret', 'id=HTTP_AUTH_HEADER_127.0.0.1,env=H', context], { env });
  // a host is meant with all of its ports, unless one is named
  expect(logins).toEqual([undefined, 'Bearer s3cret']);
  const failed = await bench.meanwhile(['build', '--no-cache', context], { env });
  expect(failed.code).toBe(125);
  expect(failed.stderr + failed.stdout).not.toContain('s3cret');
});

test('the login of an address is used, and is nowhere to be seen', async () => {
  using bench = new Bench('root');
  const logins: (string | undefined)[] = [];
  const other = await serve((request, response) => {
    logins.push(request.headers.authorization);
    response.end('content');
  });
  const url = await serve((request, response) => {
    logins.push(request.headers.authorization);
    response.writeHead(302, { location: other }).end();
  });
  const source = `${url.replace('//', '//user:s3cret@')}/file`;
  const context = directoryOf(bench, 'context', {
    Dockerfile: `FROM scratch\nADD ${source} /f\nADD missing /\n`,
  });
  const failed = await bench.meanwhile(['--log-level', 'debug', 'build', '--explain', context]);
  expect(failed.stderr).toContain('"missing"');
  writeFileSync(join(context, 'Dockerfile'), `FROM scratch\nADD ${source} /f\n`);
  const image = await built(bench, [context]);
  const history = bench.run('inspect', '--type', 'image', '--format', '{{json .OCIv1.History}}', image);
  expect(history).toContain('ADD http://***@127.0.0.1');
  const container = bench.run('from', 'scratch');
  const added = await bench.meanwhile([
    '--log-level',
    'debug',
    'add',
    '--cache',
    '--add-history',
    container,
    source,
    '/g',
  ]);
  expect(added.code).toBe(0);
  for (const said of [failed.stdout, failed.stderr, added.stdout, added.stderr, history])
    expect(said).not.toContain('s3cret');
  expect(bench.exec('grep', ['-c', 's3cret', join(bench.root, 'bld.db')]).stdout).toBe('0\n');
  const basic = `Basic ${Buffer.from('user:s3cret').toString('base64')}`;
  expect(new Set(logins)).toEqual(new Set([basic, undefined]));
});

test('a download without a date is of 1970', async () => {
  using bench = new Bench('root');
  const url = await serve((_, response) => response.end('content'));
  const context = directoryOf(bench, 'context', {
    Dockerfile: `FROM BASE\nADD ${url}/file /\nADD ${url} /index\nRUN stat -c %Y /file /index > /time\n`,
  });
  expect(runIn(bench, await built(bench, [context]), 'sh', '-c', 'cat /time')).toBe('0\n0');
});

test('a Dockerfile may be a pipe, or named as the context', () => {
  using bench = new Bench('root');
  const context = directoryOf(bench, 'context', { Own: 'FROM scratch\nCOPY Own /\n' });
  const path = `${join(import.meta.dirname, '../../bin')}:/usr/bin:/bin`;
  const piped = bench.exec('bash', ['-c', `bld build -q -f <(cat ${context}/Own) ${context}`], {
    env: { PATH: path },
  });
  expect(piped.stderr).toBe('');
  expect(bench.run('build', '-q', join(context, 'Own'))).toBe(piped.stdout.trim());
});

test('Dockerfiles that end with .in pass through cpp; several -f are one', () => {
  using bench = new Bench('root');
  const context = directoryOf(bench, 'context', {
    'Main.in': '#include "common"\n#ifdef EXTRA\nENV EXTRA=EXTRA\n#endif\n# a comment\n',
    common: 'FROM BASE\nENV COMMON=1\n',
    Second: 'ENV SECOND=2\n',
  });
  const image = bench.run(
    ...['build', '-q', '-f', join(context, 'Main.in'), '-f', 'Second', '--cpp-flag=-DEXTRA=yes', context],
  );
  expect(runIn(bench, image, 'sh', '-c', 'echo $COMMON $SECOND; env | grep yes')).toBe('1 2\nyes=yes');
  writeFileSync(join(context, 'Broken.in'), '#error no\n');
  const broken = bench.try(['build', '-f', 'Broken.in', context]);
  expect(broken.stderr).toContain('#error no');
});

test('what a fetched context holds is read inside of it alone', () => {
  using bench = new Bench('root');
  const files = bench.mkdir('files');
  symlinkSync('/etc/passwd', join(files, 'Dockerfile'));
  symlinkSync('/etc/passwd', join(files, '.dockerignore'));
  const tar = (name: string) => {
    const path = join(bench.directory, name);
    bench.exec('tar', ['-cf', path, '-C', files, '.']);
    return path;
  };
  expect(bench.try(['build', tar('a.tar')]).stderr).toContain(
    'no Containerfile or Dockerfile in the context',
  );
  writeFileSync(join(files, 'Containerfile'), 'FROM scratch\nCOPY Containerfile /\n');
  writeFileSync(join(files, 'Second.in'), '#include "/etc/passwd"\n');
  const archive = tar('b.tar');
  expect(bench.run('build', '-q', archive)).toMatch(/^[0-9a-f]{64}$/);
  expect(bench.try(['build', '-f', 'Second.in', archive]).stderr).toContain(
    'cpp is for files of this machine',
  );
});

test('entitlements: the network that the person chose, and devices', () => {
  using bench = new Bench('root');
  const context = directoryOf(bench, 'context', { Dockerfile: 'FROM BASE\nRUN --network=host true\n' });
  bench.run('build', '-q', context);
  const refused = bench.try(['build', '--network', 'none', context]);
  expect(refused.stderr).toContain('--allow network.host');
  bench.run('build', '-q', '--network', 'none', '--allow', 'network.host', context);
  writeFileSync(
    join(context, 'Dockerfile'),
    `FROM ${inject('base')}\nRUN --device=/dev/full --device=/dev/none test -c /dev/full\n`,
  );
  expect(bench.try(['build', context]).stderr).toContain('--allow device=/dev/full');
  bench.run('build', '-q', '--allow', 'device', context);
  expect(bench.try(['build', '--allow', 'devices', context]).code).toBe(125);
});

test('arguments of a file, and what --env, --unsetenv, --unsetlabel and --unsetannotation leave', () => {
  using bench = new Bench('root');
  const context = directoryOf(bench, 'context', {
    Dockerfile: [
      'FROM BASE AS one',
      'RUN test "$Z" = \'a "$q" \\`\'',
      'FROM one',
      'ARG A',
      'ARG B=b',
      'ENV X=1 Y=2',
      'LABEL l=$A$B gone=1',
    ].join('\n'),
    args: '# a comment\n\nA=from file\r\nB=2\n',
  });
  const layout = join(bench.directory, 'layout');
  bench.run(
    ...['build', '-q', '--build-arg-file', join(context, 'args'), '--build-arg', 'B=3'],
    ...[
      '--env',
      'Z=a "$q" \\`',
      '--env',
      'Y=over',
      '--unsetenv',
      'X',
      '--unsetlabel',
      'gone',
      '--annotation',
      'kept=1',
      '--annotation',
      'a=1',
    ],
    ...[
      '--unsetannotation',
      'a',
      '--unsetannotation',
      'org.opencontainers.image.created',
      '-t',
      'app',
      '-t',
      `oci:${layout}:app`,
      context,
    ],
  );
  const { config } = JSON.parse(
    bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', 'app'),
  ) as {
    config: { Env: string[]; Labels: Record<string, string> };
  };
  expect(config.Labels).toMatchObject({ l: 'from file3' });
  expect(config.Labels).not.toHaveProperty('gone');
  expect(config.Env).toContain('Z=a "$q" \\`');
  expect(config.Env).toContain('Y=2');
  expect(config.Env.some((entry) => entry.startsWith('X='))).toBe(false);
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[];
  };
  const hex = index.manifests[0]?.digest.slice(7) ?? '';
  const manifest = JSON.parse(readFileSync(join(layout, 'blobs/sha256', hex), 'utf8')) as {
    annotations: Record<string, string>;
  };
  expect(manifest.annotations).toMatchObject({ kept: '1', a: '1' });
  expect(manifest.annotations).not.toHaveProperty('org.opencontainers.image.created');
});
