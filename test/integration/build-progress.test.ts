import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bench, BLD, PEOPLE } from '../helpers/bld.ts';
import { contextOf } from '../helpers/contexts.ts';

const ID = /^[0-9a-f]{64}$/;

describe('--progress', () => {
  test('quiet prints the id alone, by flag and by variable', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, 'FROM BASE\nRUN echo said\n');
    bench.run('build', context);
    for (const { stdout, stderr } of [
      bench.try(['build', '--progress', 'quiet', context]),
      bench.try(['build', context], { env: { BUILDKIT_PROGRESS: 'quiet' } }),
      bench.try(['build', context], { env: { BLD_PROGRESS: 'quiet', BUILDKIT_PROGRESS: 'plain' } }),
      bench.try(['build', '-q', '--progress', 'plain', context]),
    ]) {
      expect(stdout.trim()).toMatch(ID);
      expect(stderr).toBe('');
    }
    expect(bench.try(['build', '--progress', 'fancy', context]).stderr).toContain(
      'expected one of auto, tty, plain, rawjson, quiet',
    );
  });

  test('rawjson tells steps, output and bytes as objects on standard error', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, 'FROM BASE\nRUN echo said; false\n');
    const { code, stdout, stderr } = bench.try(['build', '--progress', 'rawjson', context]);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    const objects = stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    const vertexes = objects.flatMap((one) => one.vertexes ?? []);
    expect(vertexes.map(({ name }) => name)).toContain('[stage-0 2/2] RUN echo said; false');
    expect(vertexes.at(-1)).toMatchObject({ error: expect.stringContaining('exit status 1') });
    const [log] = objects.flatMap((one) => one.logs ?? []);
    expect(Buffer.from(log.data, 'base64').toString()).toBe('said\n');
    expect(vertexes.at(-1).digest).toBe(log.vertex);
  });

  test('on a terminal steps are drawn, and what they write cannot disturb the screen', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, "FROM BASE\nRUN printf '\\033[2Jwild\\007\\n'; sleep 1; echo end\n");
    const { code, stdout } = bench.exec('script', [
      '-qec',
      `stty cols 60 rows 20; ${BLD} build ${context}`,
      '/dev/null',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('\x1b[?25l');
    expect(stdout.lastIndexOf('\x1b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\x1b[?25l'));
    expect(stdout).toContain('  | wild');
    expect(stdout).not.toContain('\x1b[2J');
    expect(stdout).not.toContain('STEP 1/2');
    const again = bench.exec('script', ['-qec', `NO_COLOR=1 ${BLD} build ${context}`, '/dev/null']);
    expect(again.stdout).toMatch(/RUN printf .*CACHED/);
    expect(again.stdout).not.toContain('\x1b[36m');
    const dumb = bench.exec('script', ['-qec', `TERM=dumb ${BLD} build ${context}`, '/dev/null']);
    expect(dumb.stdout).toContain('STEP 1/2');
    expect(dumb.stdout).not.toContain('\x1b');
  });

  test('a terminal is left in order after Ctrl-C, with what was interrupted', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, 'FROM BASE\nRUN sleep 100\n');
    const line = `timeout --foreground -s INT 8 ${BLD} build ${context}`;
    const { stdout } = bench.exec('script', ['-qec', line, '/dev/null']);
    expect(stdout).toMatch(/INTERRUPTED \d/);
    expect(stdout).toContain('interrupted by SIGINT');
    expect(stdout.lastIndexOf('\x1b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\x1b[?25l'));
  });

  test('on GitHub steps are groups that a RUN cannot leave, and a failure is an annotation', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, 'FROM BASE\nRUN echo ::set-env name=A::b; false\n');
    const env = { GITHUB_ACTIONS: 'true', GITHUB_WORKSPACE: bench.directory };
    const { stdout, stderr } = bench.try(['build', context], { env });
    const token = /::stop-commands::(\S+)\n::set-env/.exec(stdout)?.[1];
    expect(stdout).toContain(`::set-env name=A::b\n::${token}::\n::endgroup::\n`);
    expect(stdout).toMatch(/::error file=context\/Dockerfile,line=2::building at STEP /);
    expect(stderr).not.toMatch(/^\s*::/m);
  });

  test('what the checks found is told after the build, where it stands', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, 'FROM BASE\nMAINTAINER me\n');
    const words = 'Dockerfile:2: MaintainerDeprecated: Maintainer instruction is deprecated';
    expect(bench.try(['build', context]).stderr).toContain(words);
    expect(bench.try(['build', '-q', context]).stderr).toBe('');
    const { stdout } = bench.try(['build', context], { env: { GITHUB_ACTIONS: 'true' } });
    expect(stdout).toContain('::warning file=Dockerfile,line=2,title=MaintainerDeprecated::Maintainer');
    const raw = bench.try(['build', '--progress', 'rawjson', context]).stderr;
    const short = /"warnings":\[\{[^}]*"short":"([^"]+)"/.exec(raw)?.[1] ?? '';
    expect(Buffer.from(short, 'base64').toString()).toContain('MaintainerDeprecated: Maintainer');
  });

  test('the lines of stages that go on at once say whose they are', () => {
    using bench = new Bench('root');
    const context = contextOf(
      bench,
      'FROM BASE AS one\nRUN for i in 1 2 3 4 5; do echo a; sleep 0.3; done\nFROM BASE\nRUN for i in 1 2 3 4 5; do echo b; sleep 0.3; done\nCOPY --from=one /etc/passwd /p\n',
    );
    const said = bench.run('build', '--jobs', '2', context);
    expect(said).toContain('\n[1/2] a\n');
    expect(said).toContain('\n[2/2] b\n');
  });

  test('a log file takes what is said, named after the platform where asked', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, 'FROM BASE\nRUN echo said\n');
    const log = join(bench.directory, 'log');
    expect(bench.run('build', '--logfile', log, context)).toMatch(ID);
    expect(readFileSync(log, 'utf8')).toMatch(/STEP 2\/2: RUN echo said\n(?:Unpacking .*\n)*said\n/);
    bench.run('build', '--logfile', log, '--logsplit', '--platform', 'linux/amd64', context);
    expect(existsSync(`${log}_linux_amd64`)).toBe(true);
    const several = contextOf(bench, 'FROM scratch\nCOPY Dockerfile /\n');
    const platforms = ['--platform', 'linux/amd64,linux/arm64,linux/arm/v6,linux/arm/v7'];
    bench.run('build', '--logfile', log, '--logsplit', ...platforms, '-t', 'several', several);
    for (const platform of ['amd64', 'arm64', 'arm']) {
      const said = readFileSync(`${log}_linux_${platform}`, 'utf8');
      expect(new Set(said.match(/^\[[^\]]*\]/gm))).toEqual(
        new Set(platform === 'arm' ? ['[linux/arm/v6]', '[linux/arm/v7]'] : [`[linux/${platform}]`]),
      );
      expect(said).toContain('STEP 2/2: COPY Dockerfile /\n');
    }
    const rest = readFileSync(log, 'utf8');
    expect(rest).toContain('Successfully tagged localhost/several:latest\n');
    expect(rest).not.toContain('STEP');
    const full = bench.try(['build', '--logfile', '/dev/full', context]);
    expect(full.code).toBe(125);
    expect(full.stderr).toContain('no space left');
    expect(bench.try(['build', '--logsplit', context]).stderr).toContain('--logsplit needs --logfile');
  });
});

describe.each(PEOPLE)('a failure, as %s', (person) => {
  test('tells the last lines and where the whole log is, until it is pruned', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nRUN seq 1 200; exit 9\n');
    const { code, stderr } = bench.try(['build', context]);
    expect(code).toBe(9);
    expect(stderr).toContain('its last output:\n151\n');
    const path = /all of its output: (\S+)/.exec(stderr)?.[1] ?? '';
    expect(path.startsWith(join(bench.root, 'logs'))).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(
      Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join(''),
    );
    bench.run('prune');
    expect(existsSync(path)).toBe(false);
  });

  test('is an object with the place as JSON', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\n\nRUN exit 4\n');
    const { stderr } = bench.try(['--log-format', 'json', 'build', context]);
    const object = JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
    expect(object).toMatchObject({ code: 'E_RUN', file: 'Dockerfile', line: 3 });
  });

  test('--keep-failed keeps the container of that stage, to be entered', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE AS fine\nRUN true\nFROM BASE\nENV WHO=me\nWORKDIR /work\nRUN echo done > before\nRUN echo half > after; exit 3\nCOPY --from=fine / /\n',
    );
    const { code, stderr } = bench.try(['build', '--keep-failed', context]);
    expect(code).toBe(3);
    const words = /look into it: bld (.*) sh$/m.exec(stderr)?.[1]?.split(' ') ?? [];
    expect(bench.run(...words, 'sh', '-c', 'cat before after; echo $WHO $PWD')).toBe('done\nhalf\nme /work');
    expect(bench.run('containers', '-q').split('\n')).toHaveLength(1);
  });
});

test('logs of successful RUNs are not kept, and those of failed ones are few', () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM BASE\nARG N\nRUN echo $N; exit $(($N > 0))\n');
  bench.run('build', '--build-arg', 'N=0', context);
  expect(existsSync(join(bench.root, 'logs'))).toBe(false);
  for (let n = 1; n <= 22; n++) bench.try(['build', '--build-arg', `N=${n}`, context]);
  expect(readdirSync(join(bench.root, 'logs'))).toHaveLength(20);
});

describe('a COPY of what is not there', () => {
  test.each([
    ['COPY fiel /', '"fiel": no such file or directory in the context', 'did you mean "file"?'],
    ['COPY left.md /', '"left.md" is excluded from the context', '.dockerignore:2 excludes it: left.md'],
    ['COPY out /', '"out" is excluded from the context', '.dockerignore:1 excludes it: out'],
    ['COPY out/* /', '"out/*" is excluded from the context', '.dockerignore:1 excludes it: out'],
    [
      'COPY --from=stage /fiel /',
      '"/fiel": no such file or directory in stage stage',
      'did you mean "file"?',
    ],
  ])('%s', (line, message, hint) => {
    using bench = new Bench('root');
    const context = contextOf(bench, `FROM scratch AS stage\nCOPY file /\nFROM scratch\n${line}\n`, {
      file: '',
      'left.md': '',
      'kept.md': '',
      'out/x': '',
      '.dockerignore': 'out\nleft.md\n',
    });
    const { code, stderr } = bench.try(['build', context]);
    expect(code).toBe(125);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
    expect(stderr).toContain('Dockerfile:4\n');
  });

  test('what a wildcard finds and the ignore file leaves out is skipped', () => {
    using bench = new Bench('root');
    const files = { 'a.md': 'a', 'b.md': 'b', 'out/x': 'x', 'other/y': 'y', '.dockerignore': 'b.md\nout\n' };
    const context = contextOf(bench, 'FROM BASE\nCOPY *.md o* /x/\n', files);
    bench.run('build', '-o', join(bench.directory, 'tree'), context);
    expect(readdirSync(join(bench.directory, 'tree', 'x')).sort()).toEqual(['a.md', 'y']);
  });
});

test('--call tells checks, targets and outlines, also as JSON', () => {
  using bench = new Bench('root');
  const context = contextOf(
    bench,
    '# base is first\nFROM scratch AS base\nARG A=1\nMAINTAINER me\nFROM base\n',
  );
  expect(bench.run('build', '--call', 'targets', context)).toContain('base      is first');
  expect(JSON.parse(bench.run('build', '--call', 'outline,format=json', context))).toMatchObject({
    args: [{ name: 'A', value: '1' }],
  });
  const report = JSON.parse(bench.run('build', '--call=check,format=json', context));
  expect(report.warnings).toMatchObject([
    { ruleName: 'MaintainerDeprecated', location: { ranges: [{ start: { line: 4 } }] } },
  ]);
  expect(bench.try(['build', '--check=error=true', context]).code).toBe(1);
  expect(bench.try(['build', '--check=error=true;skip=MaintainerDeprecated', context]).code).toBe(0);
  expect(bench.run('images', '-q')).toBe('');
});

describe('an image that is not there', () => {
  test.each([
    ['COPY --from=biuld /x /', 'hint: did you mean the stage build?'],
    ['FROM later', 'hint: did you mean the stage later, which has to stand before this one?'],
    ['FROM biuld', 'hint: did you mean the stage build?'],
    ['COPY --from=else /x /', 'else: image not known'],
  ])('%s', (line, said) => {
    using bench = new Bench('root');
    const context = contextOf(bench, `FROM scratch AS build\nFROM scratch\n${line}\nFROM scratch AS later\n`);
    const { code, stderr } = bench.try(['build', '--pull=never', '--skip-unused-stages=false', context]);
    expect(code).toBe(125);
    expect(stderr).toContain('Dockerfile:3\n');
    expect(stderr).toContain(said);
    expect(stderr.includes('did you mean')).toBe(said.startsWith('hint'));
  });
});

test("a file for the image's id that cannot be written is named", () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM scratch\nLABEL a=b\n');
  const { code, stderr } = bench.try(['build', '--iidfile', '/no/where', context]);
  expect({ code, stderr }).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('writing /no/where: '),
  });
});
