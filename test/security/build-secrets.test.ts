import { once } from 'node:events';
import { chmodSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';

const SECRET = 'q7Xw-unmistakable-secret-81Kd';

function contextOf(bench: Bench, dockerfile: string): string {
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'Dockerfile'), dockerfile.replaceAll('BASE', inject('base')));
  writeFileSync(join(bench.directory, 'token'), `${SECRET}\n`);
  chmodSync(join(bench.directory, 'token'), 0o600);
  bench.ownAll(bench.directory);
  return context;
}

/** Regular files below the directory, whatever they are called, whose bytes hold the secret in any form. */
function holders(directory: string): string[] {
  const forms = [SECRET, Buffer.from(SECRET).toString('base64').slice(0, 24)].map((form) =>
    Buffer.from(form),
  );
  const found: string[] = [];
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) found.push(...holders(path));
    if (!stat?.isFile()) continue;
    const bytes = readFileSync(path);
    if (forms.some((form) => bytes.includes(form))) found.push(path);
  }
  return found;
}

describe.each(PEOPLE)('as %s', (person) => {
  test('a secret is in no file of the store: layers, history, keys, logs', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM BASE AS one
RUN --mount=type=secret,id=file,mode=0440 cat /run/secrets/file; stat -c "%a" /run/secrets/file > /mode
RUN --mount=type=secret,id=var,env=TOKEN,required=true echo "[$TOKEN]" >&2
RUN --mount=type=secret,id=file,target=/deep/er/secret cat /deep/er/secret | base64
FROM one
RUN --mount=type=secret,id=file cat /run/secrets/file; false
`,
    );
    const { code, stdout, stderr } = bench.try(
      ['build', '--secret', 'id=file,src=token', '--secret', 'id=var,env=GIVEN', context],
      { env: { GIVEN: SECRET } },
    );
    expect(code).toBe(1);
    expect(stdout).toContain('***');
    expect(stdout).toContain('[***]');
    expect(stderr).toContain('its last output:\n***');
    expect(stdout + stderr).not.toContain(SECRET);
    expect(stdout + stderr).not.toContain(Buffer.from(SECRET).toString('base64').slice(0, 24));
    expect(readdirSync(join(bench.root, 'logs'))).toHaveLength(1);
    expect(holders(bench.root)).toEqual([]);
    expect(readdirSync(join(bench.root, 'layers')).length).toBeGreaterThan(1);
  });

  test('while a RUN sees it, it is on no disk', async () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      'FROM BASE\nRUN --mount=type=secret,id=file test -s /run/secrets/file; echo now; sleep 60\n',
    );
    const building = bench.start(['build', '--secret', 'id=file,src=token', context]);
    const ended = once(building, 'close');
    let said = '';
    for await (const chunk of building.stdout) {
      said += String(chunk);
      if (said.includes('now\n')) break;
    }
    expect(said).toContain('now\n');
    expect(holders(bench.root)).toEqual([]);
    building.kill('SIGTERM');
    await ended;
    expect(holders(bench.root)).toEqual([]);
  });

  test('it is read-only, with the owner and mode that were asked for', () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM BASE
RUN --mount=type=secret,id=file,mode=0404,uid=7,gid=8 stat -c "%u:%g %a" /run/secrets/file; ! echo x 2>/dev/null > /run/secrets/file
`,
    );
    const said = bench.run('build', '--secret', 'id=file,src=token', context);
    expect(said).toContain('7:8 404\n');
  });
});

describe('a secret that a step leaves in its layer', () => {
  const LEAKY = `FROM BASE
RUN --mount=type=secret,id=file mkdir /a; cp /run/secrets/file /a/plain; base64 /run/secrets/file > /a/coded; printf 'u:%s' "$(cat /run/secrets/file)" | base64 > /a/basic
`;

  test('is a warning that names stage, step and file, also from the cache', () => {
    using bench = new Bench('root');
    const context = contextOf(bench, LEAKY);
    const build = () => bench.try(['build', '--secret', 'id=file,src=token', context]);
    for (const { code, stderr } of [build(), build()]) {
      expect(code).toBe(0);
      for (const name of ['plain', 'coded', 'basic'])
        expect(stderr).toContain(
          `stage 1, step 2 (Dockerfile:2): /a/${name} in the layer holds secret "file"`,
        );
      expect(stderr).not.toContain(SECRET);
    }
  });

  test.each([[[]], [['--layers=false']]])(
    'is an error with --fail-on-secret %j, and nothing is made',
    (more) => {
      using bench = new Bench('root');
      const context = contextOf(bench, LEAKY);
      const { code, stderr } = bench.try([
        '--log-format',
        'json',
        'build',
        ...more,
        '--secret',
        'id=file,src=token',
        '--fail-on-secret',
        '-t',
        'leaky',
        context,
      ]);
      expect(code).toBe(125);
      const failure = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { code: string };
      expect(failure.code).toBe('E_SECRET');
      expect(bench.run('images', '-q')).not.toContain('leaky');
      expect(bench.run('containers', '-q')).toBe('');
      expect(holders(bench.root)).toEqual([]);
    },
  );

  test('is found in large files, over the borders of chunks', () => {
    using bench = new Bench('root');
    const context = contextOf(
      bench,
      `FROM BASE
RUN --mount=type=secret,id=file (head -c 1048560 /dev/zero; cat /run/secrets/file; head -c 3000000 /dev/zero) > /big
`,
    );
    const { stderr } = bench.try(['build', '--secret', 'id=file,src=token', context]);
    expect(stderr).toContain('/big in the layer holds secret "file"');
  });
});

test('a secret that is a pipe is read once, when a step asks for it', () => {
  using bench = new Bench('root');
  const context = contextOf(
    bench,
    `FROM BASE
RUN --mount=type=secret,id=p cat /run/secrets/p > /dev/null
RUN --mount=type=secret,id=p test "$(cat /run/secrets/p)" = piped-value
`,
  );
  const script = `mkfifo p; (echo piped-value > p) & ${join(import.meta.dirname, '../../bin/bld')} build --secret id=p,src=p ${context}`;
  expect(bench.exec('sh', ['-c', script]).code).toBe(0);
});
