/** R3, F24-F26: many builds on one store at once, of different Dockerfiles and of the same. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { Bench, type Person } from '../helpers/bld.ts';
import { attempt, call, leftovers, traces } from '../helpers/processes.ts';
import { validateLayout } from '../helpers/validate.ts';

const BUILDS = 20;
const PERSONS: readonly Person[] = ['root', 'tester'];

/** A stage that all builds share, a cache mount that they take turns at, and steps of their own. */
const DOCKERFILE = `FROM BASE AS shared
COPY shared /shared
RUN --mount=type=cache,target=/c,sharing=locked n=$(cat /c/n 2>/dev/null || echo 0); sleep 0.02; echo $((n + 1)) >/c/n; sha256sum /shared >/sum
FROM BASE AS own
ARG N
RUN --mount=type=cache,target=/c,sharing=locked n=$(cat /c/n 2>/dev/null || echo 0); sleep 0.02; echo $((n + 1)) >/c/n; echo $N >/own
FROM BASE
COPY --from=shared /sum /
COPY --from=own /own /
RUN --mount=type=cache,target=/c cat /sum /own >/both
`;

function contextOf(bench: Bench): string {
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'shared'), Buffer.alloc(200_000, 'shared'));
  writeFileSync(join(context, 'Dockerfile'), DOCKERFILE.replaceAll('BASE', inject('base')));
  bench.ownAll(context);
  return context;
}

function failed(outputs: Awaited<ReturnType<typeof attempt>>[]) {
  return outputs.filter(({ code }) => code !== 0);
}

/** The file of an image, as it leaves the store. */
async function fileOf(bench: Bench, image: string, name: string): Promise<string | undefined> {
  const layout = join(bench.directory, `layout-${image}`);
  await call(bench, ['push', image, `oci:${layout}:x`]);
  const entries = validateLayout(layout).flatMap(({ layers }) => layers.flat());
  return entries.findLast((entry) => entry.name === name)?.data.toString();
}

/** How many RUNs have written to the cache: each waits for the one before, and goes on from its number. */
function turnsOf(bench: Bench, context: string): number {
  const file = join(bench.directory, 'Dockerfile.turns');
  const text = `FROM ${inject('base')}\nRUN --mount=type=cache,target=/c echo "turns: $(cat /c/n)"\n`;
  writeFileSync(file, text);
  bench.own(file);
  return Number(/turns: (\d+)/.exec(bench.run('build', '-f', file, context))?.[1]);
}

describe.each(PERSONS)('as %s', (person) => {
  test(`${BUILDS} builds of different files at once`, async () => {
    using bench = new Bench(person);
    const context = contextOf(bench);
    const numbers = Array.from({ length: BUILDS }, (_, n) => n);
    const outputs = await Promise.all(
      numbers.map((n) =>
        attempt(bench, ['build', '-q', '--build-arg', `N=${n}`, '-t', `made-${n}`, context]),
      ),
    );
    expect(failed(outputs)).toEqual([]);
    const ids = outputs.map(({ stdout }) => stdout.trim());
    expect(new Set(ids).size).toBe(BUILDS);
    for (const n of [0, BUILDS - 1])
      expect(await fileOf(bench, `made-${n}`, 'both')).toMatch(`/shared\n${n}\n`);
    const known = await call(bench, ['images', '--quiet', '--no-trunc']);
    expect(ids.filter((id) => !known.includes(id))).toEqual([]);
    // the stage that all share was built once, the others each by its own build
    expect(turnsOf(bench, context)).toBe(BUILDS + 1);
    expect(await call(bench, ['containers', '--quiet'])).toBe('');
    expect(leftovers(bench.root)).toEqual([]);
    expect(traces([bench.root])).toEqual([]);
  });

  test('the same build several times at once gives one image, each step done once', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench);
    const build = ['build', '-t', 'same', context];
    const outputs = await Promise.all([build, build, build, build].map((words) => attempt(bench, words)));
    expect(failed(outputs)).toEqual([]);
    const idOf = ({ stdout }: { readonly stdout: string }) => stdout.trim().split('\n').at(-1);
    const [first] = outputs;
    expect(outputs.map(idOf)).toEqual(outputs.map(() => first && idOf(first)));
    expect(await fileOf(bench, 'same', 'both')).toMatch('/shared\n');
    expect(turnsOf(bench, context)).toBe(2);
    const again = await attempt(bench, ['build', '--require-cached', context]);
    expect(again.code === 0 && idOf(again)).toBe(first && idOf(first));
    expect(leftovers(bench.root)).toEqual([]);
    expect(traces([bench.root])).toEqual([]);
  });

  test('a build whose twin fails does the step itself', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench);
    const once = 'test -e /c/tried || { touch /c/tried; sleep 0.5; exit 9; }; echo x >/x';
    writeFileSync(
      join(context, 'Dockerfile'),
      `FROM ${inject('base')}\nRUN --mount=type=cache,target=/c ${once}\n`,
    );
    const outputs = await Promise.all([1, 2].map(() => attempt(bench, ['build', '-q', context])));
    expect(outputs.map(({ code }) => code).sort()).toEqual([0, 9]);
    expect(traces([bench.root])).toEqual([]);
  });
});

test.each(PERSONS)('commands that clear the store leave a running build alone, as %s', async (person) => {
  using bench = new Bench(person);
  const context = bench.mkdir('context');
  const go = bench.mkdir('go');
  writeFileSync(
    join(context, 'Dockerfile'),
    `FROM ${inject('base')}\nRUN : > /go/begun; until [ -e /go/on ]; do sleep .1; done\nRUN true\n`,
  );
  bench.ownAll(bench.directory);
  const build = call(bench, ['build', '-q', '-v', `${go}:/go`, '-t', 'app', context]);
  while (!existsSync(join(go, 'begun'))) await setTimeout(50);
  const [name = ''] = bench.run('containers', '-q').split('\n');
  const removed = bench.try(['rm', '--all']);
  expect(removed).toMatchObject({ code: 0, stdout: '' });
  expect(removed.stderr).toContain('a build is at work in it');
  const images = bench.try(['rmi', '--all', '--force']);
  expect(images.code).toBe(125);
  expect(images.stderr).toContain('in use by a build');
  expect(bench.run('containers', '-q')).toBe(name);
  writeFileSync(join(go, 'on'), '');
  await build;
  expect(bench.run('containers', '-q')).toBe('');
});
