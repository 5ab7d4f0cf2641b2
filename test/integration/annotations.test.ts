import { expect, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { contextOf } from '../helpers/contexts.ts';

const OWN = 'org.opencontainers.image';

function annotationsOf(bench: Bench, name: string, type: 'image' | 'container'): Record<string, string> {
  return JSON.parse(
    bench.run('inspect', '--type', type, '--format', '{{json .ImageAnnotations}}', name),
  ) as Record<string, string>;
}

test('a container has the annotations of its base, and those that it is given', () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM BASE\nRUN true\n');
  bench.run('build', '-t', 'base', '--annotation', 'a=1', '--annotation', 'b=2', context);
  const base = annotationsOf(bench, 'base', 'image');
  expect(base).toMatchObject({ a: '1', b: '2' });

  const container = bench.run('from', 'base');
  const seen = () => annotationsOf(bench, container, 'container');
  expect(seen()).toMatchObject({ a: '1', b: '2', [`${OWN}.base.name`]: 'localhost/base:latest' });
  bench.run('config', '--annotation', 'c=3', '--unsetannotation', 'a', container);
  expect(seen()).toMatchObject({ b: '2', c: '3' });
  expect(seen()).not.toHaveProperty('a');
  bench.run('config', '--annotation', 'd=4', '--unsetannotation', 'd', container);
  expect(seen()).toMatchObject({ d: '4' });
  bench.run('config', '--annotation', 'd-', container);
  expect(seen()).not.toHaveProperty('d');

  bench.run('commit', container, 'app');
  const made = annotationsOf(bench, 'app', 'image');
  expect(made).toMatchObject({ b: '2', c: '3', [`${OWN}.base.name`]: 'localhost/base:latest' });
  expect(made[`${OWN}.created`]).not.toBe(base[`${OWN}.created`]);
  const unset = ['b', 'e', `${OWN}.base.name`].flatMap((name) => ['--unsetannotation', name]);
  bench.run('commit', '--annotation', 'e=5', ...unset, container, 'other');
  expect(annotationsOf(bench, 'other', 'image')).toMatchObject({ c: '3', e: '5' });
  for (const name of ['b', `${OWN}.base.name`])
    expect(annotationsOf(bench, 'other', 'image')).not.toHaveProperty(name);
  bench.run('commit', '--format', 'docker', container, 'docker');
  expect(annotationsOf(bench, 'docker', 'image')).toBeNull();
});

test('what builds inherit does not tell of the base itself', () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM scratch\nCOPY Dockerfile /\n');
  bench.run('build', '-t', 'base', '--annotation', 'a=1', '--annotation', 'b=1', context);
  const child = contextOf(bench, 'FROM localhost/base AS below\nCOPY Dockerfile /b\nFROM below\n');
  const flags = ['--inherit-annotations', '--unsetannotation', 'a', '--unsetannotation', 'b'];
  bench.run('build', '-t', 'child', ...flags, '--annotation', 'b=2', child);
  const made = annotationsOf(bench, 'child', 'image');
  expect(made).toMatchObject({ b: '2', [`${OWN}.base.name`]: 'localhost/base:latest' });
  expect(made).not.toHaveProperty('a');
  expect(made[`${OWN}.created`]).not.toBe(annotationsOf(bench, 'base', 'image')[`${OWN}.created`]);
});
