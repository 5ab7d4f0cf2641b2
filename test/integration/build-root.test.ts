import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { validateLayout } from '../helpers/validate.ts';

/** A base whose root directory has this mode, under a name. */
function makeBase(bench: Bench, name: string, mode: string): void {
  const container = bench.run('from', inject('base'));
  bench.run('run', container, 'chmod', mode, '/');
  bench.run('commit', '--rm', container, name);
}

function build(bench: Bench, tag: string, dockerfile: string): string {
  const context = bench.mkdir(`context-${tag}`);
  writeFileSync(join(context, 'Dockerfile'), dockerfile);
  writeFileSync(join(bench.mkdir('files'), 'file'), 'x');
  bench.ownAll(bench.directory);
  return bench.run('build', '-t', tag, '--build-context', `files=${join(bench.directory, 'files')}`, context);
}

describe.each(PEOPLE)('a root directory of an unusual mode as %s', (person) => {
  test('is no change of a step, and one that a step changes is', () => {
    using bench = new Bench(person);
    makeBase(bench, 'odd', '0700');
    const dockerfile = 'FROM localhost/odd\nRUN true\nRUN stat -c %a / && chmod 755 /\nRUN stat -c %a /\n';
    const first = build(bench, 'one', dockerfile);
    expect(first).toMatch(/^700$/m);
    expect(first).toMatch(/^755$/m);
    expect(build(bench, 'one', dockerfile).match(/Using cache/g)).toHaveLength(3);
    const history = bench.run('history', '--format', '{{.CreatedBy}}', 'one');
    expect(history).not.toContain('outside of steps');
  });

  test('belongs to its image: the same files over another root are another layer', () => {
    using bench = new Bench(person);
    makeBase(bench, 'odd', '0711');
    const dockerfile = (base: string) => `FROM ${base}\nCOPY --from=files file /file\n`;
    build(bench, 'one', dockerfile('localhost/odd'));
    build(bench, 'two', dockerfile(inject('base')));
    for (const [tag, mode] of [
      ['one', '711'],
      ['two', '755'],
    ] as const) {
      const container = bench.run('from', tag);
      expect(bench.run('run', container, 'stat', '-c', '%a', '/')).toBe(mode);
      const layout = join(bench.directory, tag);
      bench.run('push', tag, `oci:${layout}`);
      expect(validateLayout(layout)).toHaveLength(1);
    }
  });
});
