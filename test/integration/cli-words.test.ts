import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bench, BLD, type Output } from '../helpers/bld.ts';
import { contextOf } from '../helpers/contexts.ts';

function errorLine({ stderr }: Output): string {
  return stderr.split('\n')[0] ?? '';
}

describe('words that bld does not know', () => {
  test.each([
    [['nosuch'], 'Error: unknown command "nosuch" for "bld"'],
    [['imges'], 'Error: unknown command "imges" for "bld"'],
    [['images', '--nosuch'], 'Error: unknown flag: --nosuch'],
    [['--nosuch', 'images'], 'Error: unknown flag: --nosuch'],
    [['images', '--filter'], 'Error: flag needs an argument: --filter'],
    [
      ['images', 'x', '--all'],
      'Error: no options (--all) can be specified after the image or container name',
    ],
    [['tag', 'x'], 'Error: requires at least 2 arg(s), only received 1'],
    [['from'], 'Error: an image name (or "scratch") must be specified'],
    [
      ['pull', '--policy=zz', 'x'],
      'Error: invalid argument "zz" for "--policy" flag: expected one of always, missing, never, newer',
    ],
    [
      ['pull', '--decryption-key', 'k', 'x'],
      'Error: --decryption-key is not supported: layers are neither encrypted nor decrypted',
    ],
    [
      ['--storage-driver', 'vfs', 'images'],
      'Error: --storage-driver is not supported: bld chooses overlay or file trees by itself, see bld info',
    ],
  ])('%j', (words, line) => {
    using bench = new Bench('root');
    const result = bench.try(words);
    expect(result).toMatchObject({ code: 125, stdout: '' });
    expect(errorLine(result)).toBe(line);
  });

  test('the next best word is told', () => {
    using bench = new Bench('root');
    expect(bench.try(['imges']).stderr).toContain('hint: did you mean images?');
    expect(bench.try(['images', '--dijests']).stderr).toContain('hint: did you mean --digests?');
  });
});

describe('errors as objects', () => {
  test.each([
    ['before the command', ['--log-format', 'json', 'inspect', 'nosuch']],
    ['among its flags', ['inspect', '--log-format=json', 'nosuch']],
  ])('%s', (_, words) => {
    using bench = new Bench('root');
    const { code, stderr, stdout } = bench.try(words);
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      level: 'error',
      code: 'E_NOT_FOUND',
      message: 'importing settings: nosuch: image not known',
      hint: expect.any(String),
    });
  });

  test('even when the words are wrong', () => {
    using bench = new Bench('root');
    const { stderr } = bench.try(['images', '--log-format=json', '--nosuch']);
    expect(JSON.parse(stderr)).toMatchObject({ code: 'E_USAGE', message: 'unknown flag: --nosuch' });
  });
});

describe('what has no reader', () => {
  test('a closed pipe ends bld as other programs, without a word', () => {
    const line = `"${BLD}" help 2>&3 | true; echo \${PIPESTATUS[0]}`;
    const { stdout, output } = spawnSync('bash', ['-c', line], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    // the help may have been written before `true` ended
    expect(['0\n', '141\n']).toContain(stdout);
    expect(output[3]).toBe('');
  });

  test('a closed standard error does not change the result', () => {
    const { status, stdout } = spawnSync('bash', ['-c', `"${BLD}" version --json 2>&-`], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ version: expect.any(String), imageSpec: '1.1.1' });
  });
});

describe('help', () => {
  test('bld alone, bld help and bld --help are the same, and fit a terminal of 100 columns', () => {
    using bench = new Bench('root');
    const help = bench.run();
    expect(bench.run('help')).toBe(help);
    expect(bench.run('--help')).toBe(help);
    for (const group of ['Containers:', 'Images:', 'Registries:', 'Environment:', 'Global flags:']) {
      expect(help).toContain(`\n${group}\n`);
    }
    expect(bench.run('images', '--help')).toBe(bench.run('help', 'images'));
    expect(bench.run('ls', '-h')).toBe(bench.run('help', 'containers'));
    expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  test('version', () => {
    using bench = new Bench('root');
    expect(bench.run('--version')).toMatch(/^bld version \d+\.\d+\.\d+ \(image-spec 1\.1\.1, runtime-spec /);
    expect(bench.run('version')).toMatch(/^BuildPlatform: +linux\//m);
  });
});

describe('words of scripts', () => {
  test('an empty value of a flag is none', () => {
    using bench = new Bench('root');
    expect(bench.run('from', '--name', '', '--cidfile', '', 'scratch')).toBe('working-container');
    writeFileSync(join(bench.directory, 'a'), 'a');
    const copying = ['--chown', '', '--chmod', '', '--from', '', '--contextdir', ''];
    expect(bench.run('copy', ...copying, 'working-container', 'a', '/')).toMatch(/^[0-9a-f]{64}$/);
    expect(bench.run('inspect', '--format', '', 'working-container')).toContain('"Container"');
    expect(bench.run('containers', '--format', '')).toContain('CONTAINER NAME');
    expect(bench.run('commit', '-q', 'working-container', '')).toMatch(/^[0-9a-f]{64}$/);
    expect(bench.run('images', '--format=')).toMatch(/REPOSITORY.*\n<none>/);
  });

  test('an empty value of a setting clears it', () => {
    using bench = new Bench('root');
    const container = bench.run('from', 'scratch');
    bench.run('config', '--cmd', 'a', '--user', 'b', '--workingdir', '/c', container);
    bench.run('config', '--cmd', '', '--user', '', '--workingdir=', container);
    expect(bench.run('inspect', '--format', '{{json .OCIv1.Config}}', container)).toBe('{}');
  });

  test('a variable that config is given by its name has the value that it has here', () => {
    using bench = new Bench('root');
    const container = bench.run('from', 'scratch');
    bench.runWith({ env: { WORD: 'a$HOME' } }, 'config', '--env', 'WORD', '--env', 'OTHER=$WORD', container);
    const format = '{{range .OCIv1.Config.Env}}{{.}};{{end}}';
    expect(bench.run('inspect', '--format', format, container)).toBe('WORD=a$HOME;OTHER=a$HOME;');
    const missing = bench.try(['config', '--env', 'NOT_SET', container]);
    expect(missing).toMatchObject({ code: 125 });
    expect(errorLine(missing)).toBe('Error: setting env "NOT_SET": no value given');
  });

  test("a build's flags may follow its context", () => {
    using bench = new Bench('root');
    writeFileSync(join(bench.mkdir('context'), 'Dockerfile'), 'FROM scratch\nLABEL a=b\n');
    bench.run('build', 'context', '-q', '-t', 'late', '--cache-from', '', '--secret=', '--target=');
    expect(bench.run('images', '--format', '{{.Name}}')).toBe('localhost/late');
  });

  test('what is not mounted is unmounted without an error; the mounts as an array', () => {
    using bench = new Bench('root');
    const container = bench.run('from', 'scratch');
    bench.run('mount', container);
    expect(Object.keys(JSON.parse(bench.run('mount', '--json'))[0])).toEqual(['container', 'mountPoint']);
    expect(bench.run('umount', container, container)).toMatch(/^[0-9a-f]{64}$/);
    expect(bench.run('umount', container)).toBe('');
  });
});

test('files and words that are none are told before anything is done', () => {
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM scratch\n');
  const refused: readonly (readonly [string, ...string[]])[] = [
    ['neither an operating system nor an architecture', '--platform', 'bogus', context],
    ['secret s: there is no file', '--secret', 'id=s,src=/no/where', context],
    ['--authfile /no/where: no such file', '--authfile', '/no/where', context],
  ];
  for (const [message, ...words] of refused) {
    expect(bench.try(['build', ...words])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining(message),
    });
  }
});
