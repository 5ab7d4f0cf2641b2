import { describe, expect, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { contextOf, runIn } from '../helpers/contexts.ts';

describe.each(PEOPLE)('as %s', (person) => {
  test('with --compat-volumes RUNs write to volumes in vain, COPY and WORKDIR do not', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM BASE AS base
RUN mkdir /v && echo base > /v/base && chown 5:6 /v /v/base && ln -s base /v/link
VOLUME /v /new
FROM base
RUN echo run > /v/run; echo more >> /v/base; touch /new/file; stat -c '%n %u:%g' /v /v/base; cat /v/link; ls /v
COPY file /v/copied
RUN mkdir -p /new/sub; echo sees $(ls /v /new); rm /v/copied
WORKDIR /v/work
VOLUME work
RUN touch /v/work/in
RUN --mount=type=cache,target=/v touch /v/cached
`,
      { file: 'content\n' },
    );
    const kept = "cd /v && echo $(find . /new | sort) && cat base && stat -c '%u:%g' /v /v/base";
    for (const flags of [[], ['--layers=false']]) {
      const said = bench.run('build', '--compat-volumes', ...flags, '-t', 'app', context);
      if (flags.length === 0) {
        expect(said).toContain('/v 5:6\n/v/base 5:6\nbase\nmore\nbase\nlink\nrun\n');
        expect(said).toContain('sees /new: sub /v: base copied link\n');
      }
      expect(runIn(bench, 'app', 'sh', '-c', kept)).toBe(
        '. ./base ./copied ./link ./work /new\nbase\n5:6\n5:6',
      );
    }
    bench.run('build', '-t', 'kept', context);
    expect(runIn(bench, 'kept', 'ls', '/v', '/new')).toContain('run');
  });

  test('tmpcopyup: a tmpfs begins with what is in its place', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM BASE
RUN mkdir -p /d/sub && echo base > /d/base && ln -s base /d/l && chmod 711 /d && chown 5:6 /d /d/base && ln -s d /via
RUN --mount=type=tmpfs,target=/d,tmpcopyup stat -c '%n %a %u:%g' /d /d/base /d/sub; cat /d/l; touch /d/sub/new && rm /d/base; grep -c ' /d tmpfs ' /proc/mounts
RUN --mount=type=tmpfs,target=via,tmpcopyup,mode=750 stat -c '%n %a' /d; ls /d; grep -c ' /d tmpfs ' /proc/mounts
RUN --mount=type=tmpfs,target=/d,tmpcopyup,ro ! touch /d/new && cat /d/base
RUN --mount=type=tmpfs,target=/none,tmpcopyup,size=64k touch /none/x && ! head -c 100000 /dev/zero > /none/large
RUN --mount=type=tmpfs,target=/d,notmpcopyup echo empty $(ls -A /d)
USER 5:6
RUN --mount=type=tmpfs,target=/d,tmpcopyup,size=64k touch /d/mine && ! head -c 100000 /dev/zero > /d/large
`,
    );
    const said = bench.run('build', '-t', 'app', context);
    expect(said).toContain('/d 711 5:6\n/d/base 644 5:6\n/d/sub 755 0:0\nbase\n1\n');
    expect(said).toContain('/d 750\nbase\nl\nsub\n1\n');
    expect(said).toMatch(/^empty$/m);
    expect(runIn(bench, 'app', 'sh', '-c', 'echo $(find /d /none | sort)')).toBe('/d /d/base /d/l /d/sub');

    const container = bench.run('from', 'app');
    const words = ['--user', '0', '--mount', 'type=tmpfs,target=/d,tmpcopyup', container];
    expect(bench.run('run', ...words, '--', 'sh', '-c', 'touch /d/x; ls /d')).toBe('base\nl\nsub\nx');
    const small = ['--mount', 'type=tmpfs,target=/bin,tmpcopyup,size=64k', container];
    const failed = bench.try(['run', ...small, '--', 'true']);
    expect(failed.stderr).toContain('what /bin holds does not fit into a tmpfs of 65536 bytes');
  });
});
