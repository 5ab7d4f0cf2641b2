import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, BLD, PEOPLE } from '../helpers/bld.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const withBld = (bench: Bench) => ({ PATH: `${resolve(BLD, '..')}:${bench.environment().PATH}` });

describe.each(PEOPLE)('examples as %s', (person) => {
  test('machine-base.sh needs nothing but the machine', () => {
    using bench = new Bench(person);
    const layout = join(bench.directory, 'layout');
    const result = bench.exec(join(ROOT, 'examples/machine-base.sh'), [layout]);
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toMatch(
      /localhost\/hello[\s\S]*user app, command \[cat built\], 2 layers\nbuilt on Linux/,
    );
    expect(existsSync(join(layout, 'index.json'))).toBe(true);
    expect(bench.run('containers', '-q')).toBe('');
  });

  test('ci-pipeline.sh runs no step the second time; cleanup.sh leaves nothing', () => {
    using bench = new Bench(person);
    const source = bench.mkdir('source');
    writeFileSync(join(source, 'server.js'), 'x');
    mkdirSync(join(source, 'node_modules'));
    bench.ownAll(source);
    const call = () => {
      const words = [inject('base'), 'app', source];
      return bench.exec(join(ROOT, 'examples/ci-pipeline.sh'), words, {
        env: { ...withBld(bench), BLD_LOG_LEVEL: 'info' },
      });
    };
    const first = call();
    expect(first.code === 0 || first.stderr).toBe(true);
    const second = call();
    expect(second.stderr).toMatch(/cached: copy/);
    const config = JSON.parse(bench.run('inspect', '--type', 'image', 'app')).OCIv1.config;
    expect(config).toMatchObject({ WorkingDir: '/app', User: '1000:1000' });
    const cleaned = bench.exec(join(ROOT, 'examples/cleanup.sh'), [], { env: withBld(bench) });
    expect(cleaned.code, cleaned.stderr).toBe(0);
    expect(bench.run('images', '-q')).toBe('');
  });

  test('api.mjs does it in one process', () => {
    using bench = new Bench(person);
    const modules = bench.mkdir('node_modules');
    symlinkSync(ROOT, join(modules, 'bld'));
    writeFileSync(join(bench.directory, 'api.mjs'), readFileSync(join(ROOT, 'examples/api.mjs')));
    writeFileSync(join(bench.directory, 'README.md'), 'one\ntwo\n');
    bench.ownAll(bench.directory);
    const layout = join(bench.directory, 'layout');
    const env = { ...withBld(bench), BASE: inject('base') };
    const program = [NODE, '--disable-warning=ExperimentalWarning', 'api.mjs', layout];
    const result = bench.exec(BLD, ['unshare', ...program], { env });
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    rmSync(layout, { recursive: true });
    if (person === 'root') expect(bench.exec(NODE, program.slice(1), { env }).code).toBe(0);
  });
});

describe.each(PEOPLE)('the library as %s', (person) => {
  test('build.mjs builds for two platforms', () => {
    using bench = new Bench(person);
    const modules = bench.mkdir('node_modules');
    symlinkSync(ROOT, join(modules, 'bld'));
    writeFileSync(join(bench.directory, 'build.mjs'), readFileSync(join(ROOT, 'examples/build.mjs')));
    bench.ownAll(bench.directory);
    const layout = join(bench.directory, 'layout');
    const program = [NODE, '--disable-warning=ExperimentalWarning', 'build.mjs', layout];
    const result = bench.exec(BLD, ['unshare', ...program], { env: withBld(bench) });
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toMatch(/^linux\/amd64 FROM scratch\n[\s\S]*\nlinux\/arm64 COPY \$TARGETARCH /);
    const [entry] = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests;
    expect(result.stdout.trim().split('\n').at(-1)).toBe(entry.digest);
    expect(entry.mediaType).toBe('application/vnd.oci.image.index.v1+json');
  });
});

test('every script among the examples is run here', () => {
  const listed = spawnSync('ls', [join(ROOT, 'examples')], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n');
  expect(listed.filter((name) => /\.(sh|mjs)$/.test(name))).toEqual([
    'api.mjs',
    'build.mjs',
    'ci-pipeline.sh',
    'cleanup.sh',
    'machine-base.sh',
  ]);
});
