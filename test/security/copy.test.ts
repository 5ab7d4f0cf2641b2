/** Attacks A82, A89, A90, A97: sources and destinations of a copy stay below their roots, whatever links say. */
import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { failure, guarded } from '../helpers/faults.ts';
import { attempt, call } from '../helpers/processes.ts';

describe.each(['root', 'tester', 'plain'] as const)('as %s', (person) => {
  test('A89: --from a container whose links lead out', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    bench.run('from', '--name', 'evil', inject('base'));
    const links = `ln -s / /x; ln -s ${outside} /y; ln -s ${outside}/secret /z; ln -s /proc/self/root /p;
      ln -s ../../../../../../${outside}/secret /up; mkdir /deep; ln -s ../../../..${outside} /deep/d`;
    bench.run('run', 'evil', 'sh', '-c', links);
    for (const source of [
      `/x${outside}/secret`,
      '/y/secret',
      '/z',
      `/p${outside}/secret`,
      '/up',
      '/deep/d/secret',
    ]) {
      const result = bench.try(['--log-format', 'json', 'copy', '--from', 'evil', 'c', source, '/stolen']);
      expect({ source, code: result.code, ...failure(result) }).toMatchObject({ code: 'E_NOT_FOUND' });
    }
    for (const source of ['/y*/secret', '/x/*/nosuch', `/p${outside}/*`]) {
      const result = bench.try(['copy', '--from', 'evil', 'c', source, '/stolen/']);
      expect({ source, code: result.code }).toMatchObject({ code: 125 });
    }
    bench.run('copy', '--from', 'evil', 'c', '/x/bin/sh', '/from-own-root');
    expect(bench.try(['run', 'c', 'ls', '/stolen']).code).toBe(1);
    untouched();
  });

  test('A90: a destination whose links lead out', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    const links = `ln -s ${outside} /d; ln -s ../../../../../..${outside} /up; ln -s ${outside}/secret /f;
      ln -s / /r; ln -s /proc/self/root /p; ln -s ${outside}/new /fresh; ln -s /proc/self/fd/7 /fd`;
    bench.run('run', 'c', 'sh', '-c', links);
    const context = bench.mkdir('context');
    for (const name of ['secret', 'file']) writeFileSync(join(context, name), 'evil');
    for (const to of [
      '/d',
      '/d/',
      '/d/new/deep/',
      '/up/',
      '/f',
      `/r${outside}/`,
      `/p${outside}/`,
      '/fresh',
      '/fresh/',
      '/fd/',
      '/fd',
    ]) {
      bench.try(['copy', 'c', context, to]);
      bench.try(['copy', 'c', join(context, 'secret'), to]);
      bench.try(['add', 'c', join(context, 'file'), to]);
      untouched();
    }
    bench.run('config', '--workingdir', `/d/work`, 'c');
    bench.run('copy', 'c', join(context, 'file'), 'relative');
    bench.run('run', 'c', 'sh', '-c', 'pwd > here');
    bench.try(['run', '--workingdir', '/proc/self/fd/7', 'c', 'sh', '-c', 'echo x > leak']);
    bench.try(['run', '--workingdir', '/up/../../x', 'c', 'sh', '-c', 'echo x > leak']);
    untouched();
  });

  test('A90: links are swapped by a command that runs meanwhile', async () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    const context = bench.mkdir('context');
    for (let n = 0; n < 50; n++) writeFileSync(join(context, `f${n}`), 'evil');
    // two containers may not write to one root; a volume is what a command and a copy can share
    const shared = bench.mkdir('shared');
    const swap = `end=$(( $(date +%s) + 3 )); cd /shared
      while [ $(date +%s) -lt $end ]; do rm -rf d; mkdir d; echo x > d/f; rm -rf d; ln -s ${outside} d; done`;
    const swapping = attempt(bench, ['run', '--volume', `${shared}:/shared`, 'c', 'sh', '-c', swap]);
    bench.run('from', '--name', 'other', inject('base'));
    for (let n = 0; n < 8; n++) {
      await attempt(bench, ['copy', '--contextdir', shared, 'other', 'd', `/swapped-${n}`]);
    }
    expect(await swapping).toMatchObject({ code: 0 });
    const found = await call(bench, [
      'run',
      'other',
      'sh',
      '-c',
      'cat /swapped-*/secret /swapped-*/d/secret 2>/dev/null; true',
    ]);
    expect(found).not.toContain('secret of the machine');
    untouched();
  });

  test('A81: an archive that is added reaches not out of its destination', () => {
    using place = guarded(person);
    const { bench, outside, untouched } = place;
    const made = bench.mkdir('made');
    symlinkSync(outside, join(made, 'd'));
    writeFileSync(join(made, 'inner'), 'evil');
    const tar = (name: string, ...args: string[]) =>
      spawnSync('tar', ['-C', made, '-cPf', join(bench.directory, name), ...args]);
    tar('link.tar', 'd', '--transform', 's,^inner,d/secret,', 'inner');
    tar('up.tar', '--transform', `s,^inner,../../../../../..${outside}/secret,`, 'inner');
    tar('absolute.tar', '--transform', `s,^inner,${outside}/secret,`, 'inner');
    for (const name of ['link.tar', 'up.tar', 'absolute.tar']) {
      const result = bench.try(['--log-format', 'json', 'add', 'c', name, '/unpacked']);
      if (result.code !== 0) expect(failure(result).code).toMatch(/^E_(PATH|ARCHIVE)$/);
      untouched();
    }
  });

  test('names with every byte but NUL and slash arrive as they are', () => {
    using place = guarded(person);
    const { bench } = place;
    const context = bench.mkdir('context');
    const names = [
      '-rf',
      ' ',
      'a\nb',
      '\x1b[31m',
      '*',
      '\\',
      '"',
      '..x',
      '.wh.x',
      String.fromCharCode(0x7f),
      'ü',
    ];
    for (const name of names.filter((each) => each !== '.wh.x')) writeFileSync(join(context, name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${context}/`), Buffer.from([0xff, 0xfe])]), 'bytes');
    bench.run('copy', 'c', context, '/names');
    expect(bench.run('run', 'c', 'sh', '-c', 'cd /names; ls -A | wc -l; cat -- "-rf"')).toBe('11\n-rf');
    for (const name of ['*', '-rf', '\\']) {
      bench.run('copy', '--contextdir', context, 'c', `/${name.replace(/[*\\]/g, '\\$&')}`, '/one');
      expect(bench.run('run', 'c', 'cat', '/one')).toBe(name);
    }
  });
});

test('A97: what is copied is what was hashed, though the context changes meanwhile', async () => {
  using bench = new Bench('root');
  const context = bench.mkdir('context');
  bench.run('from', '--name', 'c', inject('base'));
  const file = join(context, 'file');
  let writing = true;
  const writer = (async () => {
    for (let n = 0; writing; n++) {
      writeFileSync(file, Buffer.alloc(2_000_000 + (n % 7) * 1000, String(n % 10)));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const digests = new Map<string, string>();
  for (let n = 0; n < 10; n++) {
    const copied = await attempt(bench, ['--log-format', 'json', 'copy', 'c', context, `/copy-${n}`]);
    if (copied.code === 0) digests.set(copied.stdout.trim(), `/copy-${n}`);
    else
      expect(failure(copied)).toMatchObject({ code: 'E_PATH', message: expect.stringContaining('changed') });
  }
  writing = false;
  await writer;
  // the digest is that of the same bytes copied in peace
  for (const [digest, path] of digests) {
    bench.run('from', '--name', 'peace', inject('base'));
    expect(bench.run('copy', '--from', 'c', 'peace', path, '/copy')).toBe(digest);
    bench.run('rm', 'peace');
  }
});
