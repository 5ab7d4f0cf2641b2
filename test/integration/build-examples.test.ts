import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples/dockerfiles');
/** What a container of each example prints, by its own entrypoint. */
const PRINTED: Readonly<Record<string, { readonly command: readonly string[]; readonly output: string }>> = {
  greeter: { command: ['greet'], output: 'ahoj, world\nciao, world\nhello, world' },
};

describe.each(readdirSync(EXAMPLES))('the example %s', (name) => {
  test('builds, and does what it says', () => {
    using bench = new Bench('root');
    bench.run('build', '--build-arg', `BASE=${inject('base')}`, '-t', name, resolve(EXAMPLES, name));
    const container = bench.run('from', name);
    expect(PRINTED).toHaveProperty(name);
    expect(bench.run('run', container, ...(PRINTED[name]?.command ?? []))).toBe(PRINTED[name]?.output);
  });
});
