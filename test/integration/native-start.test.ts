import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { idsOf, Package, TELLING, type Told, told } from './native-package.ts';

const tester = idsOf('tester');
const box = new Package(TELLING);
afterAll(() => box[Symbol.dispose]());

describe('the environment', () => {
  test('that steers Node does not reach it', () => {
    const env = {
      NODE_OPTIONS: '--require=/nonexistent',
      NODE_PATH: '/nonexistent',
      NODE_V8_COVERAGE: '/nonexistent',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_DEBUG: 'fs',
      NODE_EXTRA_CA_CERTS: '/dev/null',
      NODE_ENV: 'production',
      LD_LIBRARY_PATH: '/nonexistent',
    };
    const { own } = told(box, { env });
    expect(Object.keys(own).filter((name) => !name.startsWith('_BLD_'))).toEqual(
      expect.arrayContaining(['NODE_EXTRA_CA_CERTS', 'NODE_ENV', 'LD_LIBRARY_PATH']),
    );
    expect(Object.keys(own).filter((name) => name.startsWith('NODE_'))).toHaveLength(2);
  });
});

describe('the process', () => {
  test('passes words and exit codes on', () => {
    const args = ['a b', '', '--flag=x', 'ö'];
    expect(told(box, { args }).args).toEqual(args);
    expect(box.run({ args: ['exit', '42'] }).code).toBe(42);
  });

  test('is the one that was started, so that signals reach it', async () => {
    const child = spawn(box.launcher, ['wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(Number(line.toString())).toBe(child.pid);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
  });

  test('has three streams, also when the caller closed them', () => {
    const { stdout } = box.run({ through: ['sh', '-c', 'exec "$@" <&- 2>&-', 'sh'], args: ['tell'] });
    const { streams } = JSON.parse(stdout) as Told;
    expect([streams[0], streams[2]]).toEqual(['/dev/null', '/dev/null']);
  });

  test('works when the caller ignores SIGCHLD', () => {
    expect(told(box, { ...tester, through: ['sh', '-c', 'trap \'\' CHLD; exec "$@"', 'sh'] }).children).toBe(
      '',
    );
  });

  test('starts through a symbolic link', () => {
    const bin = join(box.path, 'link');
    symlinkSync(box.launcher, bin);
    const { status } = spawnSync(bin, ['exit', '7']);
    expect(status).toBe(7);
  });
});

describe('Node', () => {
  const real = resolve(import.meta.dirname, '../../node_modules/node/bin/node');
  const fake = (path: string, says: string) => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, `#!/bin/sh\necho ${says}\n`);
    chmodSync(path, 0o755);
  };

  test('is found in the package, in those above it, in PATH, or where BLD_NODE says', () => {
    using outer = new Package('', { modules: false });
    const inner = join(outer.path, 'node_modules/bld');
    for (const name of ['bin', 'dist']) mkdirSync(join(inner, name), { recursive: true });
    spawnSync('cp', [box.launcher, join(inner, 'bin/bld')]);
    writeFileSync(join(inner, 'dist/main.js'), '');
    const run = (env: Record<string, string>) =>
      spawnSync(join(inner, 'bin/bld'), [], { env, encoding: 'utf8' }).stdout.trim();
    fake(join(outer.path, 'path/node'), 'path');
    const PATH = `/nonexistent:${join(outer.path, 'path')}:/usr/bin:/bin`;
    expect(run({ PATH })).toBe('path');
    fake(join(outer.path, 'node_modules/node/bin/node'), 'above');
    expect(run({ PATH })).toBe('above');
    fake(join(inner, 'node_modules/node/bin/node'), 'inside');
    expect(run({ PATH })).toBe('inside');
    fake(join(outer.path, 'given'), 'given');
    expect(run({ PATH, BLD_NODE: join(outer.path, 'given') })).toBe('given');
    expect(run({ PATH, BLD_NODE: '' })).toBe('inside');
  });

  test('that is missing ends with the way out', () => {
    using lonely = new Package('', { modules: false });
    expect(lonely.run({ env: { PATH: '/nonexistent' }, through: [] })).toMatchObject({
      code: 125,
      stdout: '',
      stderr: expect.stringMatching(/^Error: Node\.js was not found \(E_ENVIRONMENT\)\n.*BLD_NODE/),
    });
    const wrong = box.run({ env: { BLD_NODE: '/nonexistent' } });
    expect(wrong).toMatchObject({ code: 125, stderr: expect.stringMatching(/BLD_NODE names no program/) });
    writeFileSync(join(lonely.path, 'text'), 'no program');
    chmodSync(join(lonely.path, 'text'), 0o755);
    const broken = lonely.run({ env: { BLD_NODE: join(lonely.path, 'text') } });
    expect(broken).toMatchObject({ code: 125, stderr: expect.stringMatching(/does not start/) });
  });

  test('gets a program that was built', () => {
    using bare = new Package('');
    rmSync(join(bare.path, 'dist/main.js'));
    expect(bare.run()).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/not built.*\(E_ENVIRONMENT\)\nnpm run build/),
    });
    expect(bare.run({ env: { BLD_NODE: real } }).code).toBe(125);
  });
});
