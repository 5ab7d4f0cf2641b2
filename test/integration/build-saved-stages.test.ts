import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { contextOf, runIn } from '../helpers/contexts.ts';

const STAGES = `FROM BASE AS tools
ENV A=1
RUN echo tools > /tools
FROM tools AS plain
FROM plain
RUN echo unnamed > /unnamed
FROM scratch AS unused
COPY file /
FROM BASE AS last
COPY --from=2 /unnamed /tools /
`;

function labelsOf(bench: Bench, image: string): Readonly<Record<string, string>> {
  const text = bench.run('inspect', '--type', 'image', '--format', '{{json .OCIv1.Config.Labels}}', image);
  return JSON.parse(text) ?? {};
}

/** Images without a name, as `images` lists them. */
function nameless(bench: Bench): string[] {
  const said = bench.run('images', '--quiet', '--no-trunc', '--filter', 'dangling=true');
  return said.split('\n').flatMap((line) => (line === '' ? [] : [line.replace('sha256:', '')]));
}

describe.each(PEOPLE)('as %s', (person) => {
  test('images of stages stay in the store, nameless, and tell what they are', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, STAGES, { file: '' });
    bench.run('build', '-t', 'plain', context);
    expect(nameless(bench)).toEqual([]);

    bench.run('build', '--save-stages', '--stage-labels', '--label', 'own=1', '-t', 'app', context);
    const saved = new Map(nameless(bench).map((id) => [labelsOf(bench, id)['io.buildah.stage.name'], id]));
    expect([...saved.keys()].sort()).toEqual(['2', 'tools']);
    const tools = saved.get('tools') ?? '';
    const unnamed = saved.get('2') ?? '';
    expect(labelsOf(bench, tools)).toMatchObject({ 'io.buildah.stage.base': inject('base') });
    expect(labelsOf(bench, tools)).not.toHaveProperty('own');
    expect(labelsOf(bench, unnamed)).toMatchObject({ 'io.buildah.stage.base': tools });
    expect(labelsOf(bench, 'app')).toMatchObject({
      'io.buildah.stage.name': 'last',
      'io.buildah.stage.base': inject('base'),
      own: '1',
    });
    expect(runIn(bench, unnamed, 'sh', '-c', 'cat /tools /unnamed; echo $A')).toBe('tools\nunnamed\n1');

    bench.run('build', '--save-stages', '--stage-labels', '--label', 'own=1', '-t', 'app', context);
    expect(nameless(bench).sort()).toEqual([...saved.values()].sort());
    bench.run('prune', '--force');
    expect(nameless(bench)).toEqual([]);
  });

  test('without labels, with one layer a stage, and of stages that nothing needs', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, STAGES, { file: '' });
    const flags = ['--save-stages', '--layers=false', '--skip-unused-stages=false', '--timestamp', '0'];
    bench.run('build', ...flags, '-t', 'app', context);
    const saved = nameless(bench);
    expect(saved).toHaveLength(3);
    for (const id of [...saved, 'app'])
      expect(labelsOf(bench, id)).not.toHaveProperty('io.buildah.stage.name');
    bench.run('build', '--layers=false', '--timestamp', '0', '-t', 'other', context);
    const id = (name: string) =>
      bench.run('inspect', '--type', 'image', '--format', '{{.FromImageID}}', name);
    expect(id('app')).toBe(id('other'));
  });

  test('labels of stages belong to saved ones', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, STAGES, { file: '' });
    const said = bench.try(['build', '--stage-labels', context]);
    expect(said.code).not.toBe(0);
    expect(said.stderr).toContain('--stage-labels needs --save-stages');
  });

  test('labels of layers are taken, and change nothing', () => {
    using bench = new Bench(person);
    const context = contextOf(bench, 'FROM BASE\nRUN true\n');
    const id = bench.run('build', '-q', context);
    expect(bench.run('build', '-q', '--layer-label', 'a=b', '--layer-label', 'c', context)).toBe(id);
  });
});
