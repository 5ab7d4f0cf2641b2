import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { contextOf, runIn } from '../helpers/contexts.ts';

interface Config {
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly { created_by?: string; comment?: string; empty_layer?: boolean }[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

function configOf(bench: Bench, image: string): Config {
  const text = bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', image);
  return JSON.parse(text) as Config;
}

describe.each(PEOPLE)('as %s', (person) => {
  test('a Dockerfile with all kinds of instructions makes its image', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `ARG GLOBAL=g
FROM BASE AS first
ARG GLOBAL
ARG OWN=own
RUN echo "$GLOBAL $OWN" > /args
FROM first
ENV A=1 B="two words"
LABEL l=$A
WORKDIR /work/sub
COPY --chown=7:8 --chmod=640 file .
COPY --from=first /args /copied
COPY <<EOF /heredoc
a is $A
EOF
RUN <<EOF
id -u > /user
pwd >> /user
EOF
EXPOSE 80 90/udp
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh", "-ec"]
USER 5:6
CMD echo hi
`,
      { file: 'content\n' },
    );
    const said = bench.run('build', '--build-arg', 'OWN=given', '-t', 'app', context);
    expect(said).toMatch(/^\[1\/2\] STEP 1\/4: FROM /);
    expect(said).toContain('Successfully tagged localhost/app:latest');
    expect(said.split('\n').at(-1)).toMatch(/^[0-9a-f]{64}$/);
    const { config, history } = configOf(bench, 'app');
    expect(config).toMatchObject({
      Labels: { l: '1' },
      WorkingDir: '/work/sub',
      User: '5:6',
      ExposedPorts: { '80/tcp': {}, '90/udp': {} },
      Volumes: { '/data': {} },
      StopSignal: 'SIGINT',
      Shell: ['/bin/sh', '-ec'],
      Cmd: ['/bin/sh', '-ec', 'echo hi'],
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000 },
    });
    expect(history.some((entry) => entry.created_by === 'ENV A=1 B=two words' && entry.empty_layer)).toBe(
      true,
    );
    expect(history.at(-1)?.comment).toBe('buildkit.dockerfile.v0');
    const shown = runIn(
      bench,
      'app',
      'sh',
      '-c',
      'cat /args /copied /heredoc /user; stat -c "%u:%g %a" file',
    );
    expect(shown).toBe('g given\ng given\na is 1\n0\n/work/sub\n7:8 640');
    expect(bench.run('containers', '-q')).toBe('');
  });

  test('steps are taken from the cache, and the same build gives the same image', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nCOPY file /file\nRUN cat /file > /copy\nLABEL a=b\n', {
      file: 'one',
    });
    const first = bench.run('build', '-q', context);
    const again = bench.run('build', context);
    expect(again.match(/--> Using cache/g)).toHaveLength(2);
    expect(again.split('\n').at(-1)).toBe(first);
    expect(bench.run('build', '--no-cache', context)).not.toContain('Using cache');
    writeFileSync(join(context, 'file'), 'two');
    const missed = bench.try(['build', '--require-cached', context]);
    expect(missed.code).toBe(125);
    expect(missed.stderr).toContain('not in the cache');
    expect(bench.run('build', context)).not.toContain('Using cache');
  });

  test('a large file is known by its digest until it changes, whatever its times say', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM scratch\nCOPY large /\n', { large: 'a'.repeat(1 << 20) });
    const file = join(context, 'large');
    utimesSync(file, 1e9, 1e9);
    const build = () => bench.run('build', '-q', context);
    const first = build();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2100); // then digests are kept
    expect([build(), build()]).toEqual([first, first]);
    writeFileSync(file, 'b'.repeat(1 << 20));
    utimesSync(file, 1e9, 1e9);
    const second = build();
    expect(second).not.toBe(first);
    expect(build()).toBe(second);
  });

  test('a RUN that fails ends the build with its code, its place and its output', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\n\nRUN echo before; exit 42\nRUN never\n');
    const { code, stderr } = bench.try(['build', context]);
    expect(code).toBe(42);
    expect(stderr).toContain(
      'building at STEP "RUN echo before; exit 42": while running runtime: exit status 42',
    );
    expect(stderr).toContain('Dockerfile:3');
    expect(stderr).toContain('>>> RUN echo before; exit 42');
    expect(stderr).toContain('its last output:\nbefore');
    expect(bench.run('containers', '-q')).toBe('');
  });

  test('mounts: bind, cache, tmpfs and secrets leave nothing in the image', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM BASE AS tools
RUN echo tool > /tool
FROM BASE
RUN --mount=type=bind,target=/ctx cat /ctx/file > /out; ! touch /ctx/new 2>/dev/null
RUN --mount=type=bind,target=/ctx,rw echo changed > /ctx/file
RUN --mount=type=bind,from=tools,source=/tool,target=/t cat /t >> /out
RUN --mount=type=cache,target=/cache echo kept > /cache/x
RUN --mount=type=cache,target=/cache cat /cache/x >> /out
RUN --mount=type=cache,target=/own,uid=7,gid=8,mode=0750 stat -c %u:%g:%a /own >> /out
RUN --mount=type=tmpfs,target=/tmp/t,size=1m touch /tmp/t/gone
RUN --mount=type=secret,id=token,mode=0440 cat /run/secrets/token | wc -c >> /out
RUN --mount=type=secret,id=token,env=TOKEN test -n "$TOKEN"
RUN --mount=type=secret,id=other test ! -e /run/secrets/other
`,
      { file: 'bound\n', 'ignored/x': 'x', '.dockerignore': 'ignored\n' },
    );
    writeFileSync(join(bench.directory, 'token'), '12345');
    bench.own(join(bench.directory, 'token'));
    bench.run('build', '--secret', 'id=token,src=token', '-t', 'app', context);
    expect(runIn(bench, 'app', 'cat', '/out')).toBe('bound\ntool\nkept\n7:8:750\n5');
    expect(
      runIn(bench, 'app', 'sh', '-c', 'ls -d /ctx /cache /t /run/secrets 2>/dev/null || echo none'),
    ).toBe('none');
    expect(readFileSync(join(context, 'file'), 'utf8')).toBe('bound\n');
  });

  test('a secret that is required and missing is an error that tells the flag', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nRUN --mount=type=secret,id=k,required true\n');
    const { code, stderr } = bench.try(['build', context]);
    expect(code).toBe(125);
    expect(stderr).toContain('--secret id=k,src=PATH');
  });

  test('the ignore file keeps files out of COPY and of binds', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE\nCOPY . /all\nRUN --mount=type=bind,target=/ctx ls -A /ctx > /seen\n',
      { keep: 'k', 'drop/big': 'x', '.dockerignore': 'drop\nDockerfile\n.dockerignore\n' },
    );
    bench.run('build', '-t', 'app', context);
    expect(runIn(bench, 'app', 'sh', '-c', 'ls -A /all; cat /seen')).toBe('keep\nkeep');
    const { stderr } = bench.try(['build', '-f', '-', context], { input: 'FROM scratch\nCOPY drop/big /\n' });
    expect(stderr).toContain('.dockerignore:1 excludes it: drop');
  });

  test('--target builds what it needs and nothing else; named contexts stand in', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE AS broken\nRUN false\nFROM scratch AS data\nCOPY --from=extra file /\nFROM data\nCOPY --from=broken / /\n',
    );
    const extra = bench.mkdir('extra');
    writeFileSync(join(extra, 'file'), 'named');
    bench.ownAll(extra);
    const said = bench.run('build', '--target', 'data', '--build-context', `extra=${extra}`, context);
    expect(said).not.toContain('RUN false');
  });

  test('ONBUILD of a base runs in the next build', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE\nONBUILD COPY file /triggered\nONBUILD RUN cat /triggered > /ran\n',
      { file: 'f' },
    );
    bench.run('build', '-t', 'base-with-triggers', context);
    bench.runWith(
      { input: 'FROM localhost/base-with-triggers\n' },
      'build',
      '-t',
      'child',
      '-f',
      '-',
      context,
    );
    expect(runIn(bench, 'child', 'cat', '/ran')).toBe('f');
    expect(configOf(bench, 'child').config['OnBuild']).toBeUndefined();
  });

  test('contexts on standard input: an archive, or a Dockerfile alone', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM scratch\nCOPY file /\n', { file: 'f' });
    expect(bench.runWith({ input: 'FROM scratch\nENV A=1\n' }, 'build', '-q', '-')).toMatch(/^[0-9a-f]{64}$/);
    const archive = bench.exec('sh', ['-c', `tar -cz -C ${context} . > ctx.tgz`]);
    expect(archive.code).toBe(0);
    const input = readFileSync(join(bench.directory, 'ctx.tgz'));
    expect(bench.runWith({ input }, 'build', '-q', '-')).toBe(
      bench.run('build', '-q', join(bench.directory, 'ctx.tgz')),
    );
  });

  test('one layer for a stage with --layers=false, one for all with --squash', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nRUN echo a > /a\nENV B=1\nRUN echo b > /b\nLABEL c=d\n');
    bench.run('build', '--layers=false', '-t', 'joined', context);
    bench.run('build', '--squash', '-t', 'squashed', context);
    bench.runWith({ input: `FROM ${inject('base')}\n` }, 'build', '-t', 'plain', '-');
    const base = configOf(bench, 'plain').rootfs.diff_ids.length;
    expect(configOf(bench, 'joined').rootfs.diff_ids).toHaveLength(base + 1);
    expect(configOf(bench, 'squashed').rootfs.diff_ids).toHaveLength(1);
    for (const image of ['joined', 'squashed']) expect(runIn(bench, image, 'cat', '/a', '/b')).toBe('a\nb');
  });

  test('--timestamp gives the same image for the same files, whenever they are made', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nRUN date +%N > /dev/null; echo x > /x\nCOPY file /y\n', {
      file: 'f',
    });
    const build = () => bench.run('build', '-q', '--no-cache', '--timestamp', '86400', context);
    expect(build()).toBe(build());
  });
});

test('an agent is reached by its socket', async () => {
  using bench = new Bench('root');
  const context = contextOf(
    bench,
    'FROM BASE\nRUN --mount=type=ssh,uid=5 stat -c %u $SSH_AUTH_SOCK > /o; test -S $SSH_AUTH_SOCK\n',
  );
  const socket = join(bench.directory, 'agent');
  const server = createServer().listen(socket);
  try {
    bench.runWith({ env: { SSH_AUTH_SOCK: socket } }, 'build', '--ssh', 'default', '-t', 'app', context);
    expect(runIn(bench, 'app', 'cat', '/o')).toBe('5');
  } finally {
    server.close();
  }
});

test('--check tells warnings and builds nothing', () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'from scratch AS Big\nMAINTAINER me\n');
  const said = bench.run('build', '--check', context);
  expect(said).toContain('WARNING: StageNameCasing');
  expect(said).toContain('WARNING: MaintainerDeprecated');
  expect(bench.run('images', '-q')).toBe('');
  writeFileSync(join(context, 'Dockerfile'), '# check=error=true\nFROM scratch\nMAINTAINER me\n');
  expect(bench.try(['build', context]).code).toBe(1);
});

test.each([['RUN --device=vendor.com/gpu true', 'CDI devices are not known']])(
  '%s is refused by name',
  (line, message) => {
    using bench = new Bench('root');
    const { code, stderr } = bench.try(['build', contextOf(bench, `FROM BASE\n${line}\n`)]);
    expect(code).toBe(125);
    expect(stderr).toContain(message);
  },
);
