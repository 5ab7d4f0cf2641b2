import { spawnSync } from 'node:child_process';
import { readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { built, contextOf, directoryOf } from '../helpers/contexts.ts';
import { FileServer } from '../helpers/file-server.ts';
import { COMMIT_TIME, GitServer } from '../helpers/git.ts';

const DOCKERFILE = `FROM scratch
ARG SOURCE_DATE_EPOCH
ENV EPOCH=x\${SOURCE_DATE_EPOCH-unset}
COPY . /
`;
const ARGUED = ['--build-arg', 'SOURCE_DATE_EPOCH=context'];

/** The image's date in seconds, and what its commands would see. */
function dateOf(bench: Bench, image: string): readonly [number, string] {
  const { config, created } = JSON.parse(
    bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', image),
  ) as { config: { Env: string[] }; created: string };
  return [Date.parse(created) / 1000, config.Env.find((entry) => entry.startsWith('EPOCH=')) ?? ''];
}

function exactly(seconds: number) {
  return [seconds, `EPOCH=x${seconds}`];
}

describe.each(PEOPLE)('SOURCE_DATE_EPOCH as %s', (person) => {
  test('context: the date of the commit, the download, or the newest of an archive', async () => {
    using bench = new Bench(person);
    await using git = await GitServer.start();
    git.repository('app.git').write({ Dockerfile: DOCKERFILE }).commit();
    const url = `${git.url}/app.git`;
    expect(dateOf(bench, await built(bench, [...ARGUED, url]))).toEqual(exactly(COMMIT_TIME));
    const env = { SOURCE_DATE_EPOCH: 'context' };
    expect(dateOf(bench, await built(bench, [url], { env }))).toEqual(exactly(COMMIT_TIME));
    expect(dateOf(bench, await built(bench, [...ARGUED, '--source-date-epoch', '5', url]))).toEqual(
      exactly(5),
    );

    const context = contextOf(bench, DOCKERFILE, { newest: '', older: '' });
    for (const [name, date] of Object.entries({ newest: 1_500_000_000, older: 1_400_000_000, Dockerfile: 7 }))
      utimesSync(join(context, name), date, date);
    const tar = join(bench.directory, 'context.tar');
    spawnSync('tar', ['-cf', tar, '-C', context, 'newest', 'older', 'Dockerfile']);
    await using files = await FileServer.start();
    files.serve('dated.tar', readFileSync(tar), '2019-09-09T09:09:09Z');
    files.serve('undated.tar', readFileSync(tar));
    const of = async (name: string) => dateOf(bench, await built(bench, [...ARGUED, `${files.url}/${name}`]));
    expect(await of('dated.tar')).toEqual(exactly(Date.parse('2019-09-09T09:09:09Z') / 1000));
    expect(await of('undated.tar')).toEqual(exactly(1_500_000_000));
    const piped = bench.runWith({ input: readFileSync(tar) }, 'build', '-q', ...ARGUED, '-');
    expect(dateOf(bench, piped)).toEqual(exactly(1_500_000_000));
  });

  test('context: a directory has no date', () => {
    using bench = new Bench(person);
    const before = Date.now() / 1000 - 5;
    const plain = contextOf(bench, DOCKERFILE);
    const defaulted = directoryOf(bench, 'other', {
      Dockerfile: `ARG SOURCE_DATE_EPOCH=context\n${DOCKERFILE}`,
    });
    for (const args of [[...ARGUED, plain], [...ARGUED, defaulted], [defaulted]]) {
      const [date, seen] = dateOf(bench, bench.run('build', '-q', ...args));
      expect(date).toBeGreaterThan(before);
      expect(seen).toBe('EPOCH=xunset');
    }
  });

  test('an ARG before FROM has a default', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, `ARG OTHER=12\nARG SOURCE_DATE_EPOCH=\${OTHER}34\n${DOCKERFILE}`);
    const build = (...args: readonly string[]) => dateOf(bench, bench.run('build', '-q', ...args, context));
    expect(build()).toEqual(exactly(1234));
    expect(build('--build-arg', 'OTHER=5')).toEqual(exactly(534));
    expect(build('--build-arg', 'SOURCE_DATE_EPOCH=99')).toEqual(exactly(99));
    expect(build('--source-date-epoch', '98')).toEqual(exactly(98));

    await using git = await GitServer.start();
    git
      .repository('app.git')
      .write({ Dockerfile: `ARG SOURCE_DATE_EPOCH=context\n${DOCKERFILE}` })
      .commit();
    expect(dateOf(bench, await built(bench, [`${git.url}/app.git`]))).toEqual(exactly(COMMIT_TIME));
    for (const [word, said] of [
      ['yesterday', 'SOURCE_DATE_EPOCH=yesterday is no number of seconds'],
      ['base', 'the date of a stage is not known'],
    ] as const) {
      const wrong = contextOf(bench, `ARG SOURCE_DATE_EPOCH=${word}\nFROM scratch AS base\n${DOCKERFILE}`);
      expect(bench.try(['build', wrong]).stderr).toContain(said);
    }
  });
});
