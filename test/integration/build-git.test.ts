import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { built, runIn } from '../helpers/contexts.ts';
import { FileServer } from '../helpers/file-server.ts';
import { COMMIT_TIME, GitServer } from '../helpers/git.ts';

let server: GitServer;
beforeAll(async () => {
  server = await GitServer.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** A directory with one Dockerfile. */
function dockerfile(bench: Bench, text: string): string {
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'Dockerfile'), text.replaceAll('BASE', inject('base')));
  bench.ownAll(context);
  return context;
}

const DOCKERFILE = () => `FROM ${inject('base')}\nCOPY . /src\n`;

describe.each(PEOPLE)('as %s', (person) => {
  test('a repository is a context: a branch, a tag, a commit, a subdirectory', async () => {
    using bench = new Bench(person);
    const name = `forms-${person}.git`;
    const repository = server.repository(name).write({ Dockerfile: DOCKERFILE(), file: 'first', run: '#!' });
    chmodSync(join(repository.path, 'run'), 0o777);
    const first = repository.commit();
    repository.git('tag', 'v1');
    repository.git('tag', '-a', '-m', 'annotated', 'v1-annotated');
    repository.write({ file: 'second', 'sub/Dockerfile': DOCKERFILE(), 'sub/own': 'own' });
    const second = repository.commit();
    repository.git('checkout', '-q', '-b', 'side', first);
    repository.write({ file: 'side' }).commit();
    repository.git('checkout', '-q', 'main');
    const url = `${server.url}/${name}`;
    const fileOf = async (address: string) =>
      runIn(bench, await built(bench, [address]), 'sh', '-c', 'cat /src/file');
    expect(await fileOf(url)).toBe('second');
    expect(await fileOf(`${url}#v1`)).toBe('first');
    expect(await fileOf(`${url}?tag=v1-annotated`)).toBe('first');
    expect(await fileOf(`${url}?branch=side`)).toBe('side');
    expect(await fileOf(`${url}#${first}`)).toBe('first');
    expect(await fileOf(`${url}#${first.slice(0, 9)}`)).toBe('first');
    expect(await fileOf(`${url}?branch=main&commit=${second.slice(0, 12)}`)).toBe('second');
    const sub = await built(bench, [`${url}#main:sub`]);
    expect(runIn(bench, sub, 'sh', '-c', 'ls -a /src')).toBe('.\n..\nDockerfile\nown');
    const all = await built(bench, [url]);
    expect(runIn(bench, all, 'sh', '-c', 'stat -c "%n %a %Y %u" /src/file /src/run; ls -a /src')).toBe(
      `/src/file 644 ${COMMIT_TIME} 0\n/src/run 755 ${COMMIT_TIME} 0\n.\n..\nDockerfile\nfile\nrun\nsub`,
    );
    expect((await bench.meanwhile(['build', `${url}?commit=${first}`])).stdout).toContain('Using cache');
  });

  test('ADD takes a repository: into the root of its destination, checked, with .git when asked', async () => {
    using bench = new Bench(person);
    const name = `add-${person}.git`;
    const repository = server.repository(name).write({ file: 'content', 'dir/inner': 'inner' });
    const commit = repository.commit();
    const url = `${server.url}/${name}`;
    const context = dockerfile(
      bench,
      `FROM BASE
ADD --checksum=${commit.slice(0, 10)} ${url} /plain
ADD --chown=3:4 --exclude=file ${url}#main:dir /dir/
ADD --keep-git-dir ${url} /kept
`,
    );
    const image = await built(bench, [context]);
    expect(
      runIn(bench, image, 'sh', '-c', 'cd /plain && find . -type f | sort; stat -c "%u:%g" /dir/inner'),
    ).toBe('./dir/inner\n./file\n3:4');
    expect(runIn(bench, image, 'sh', '-c', 'cat /kept/.git/HEAD')).toBe(commit);
    const again = await bench.meanwhile(['build', '--timestamp', '1', context]);
    expect(again.stdout.match(/Using cache/g)).toHaveLength(3);
    const wrong = dockerfile(bench, `FROM scratch\nADD --checksum=0123456 ${url}#main /x\n`);
    const failed = await bench.meanwhile(['build', wrong]);
    expect(failed.stderr).toContain(`the commit is ${commit}, not the expected 0123456`);
    expect(failed.stderr).toContain('Dockerfile:2');
  });

  test('submodules come with it, and theirs with them', async () => {
    using bench = new Bench(person);
    const inner = server.repository(`inner-${person}.git`).write({ inner: 'inner' });
    const innerCommit = inner.commit();
    inner.write({ inner: 'later' }).commit();
    const middle = server.repository(`middle-${person}.git`).write({ middle: 'middle' });
    middle.commit();
    const middleCommit = middle
      .submodule('deep/inner', `../inner-${person}.git`, innerCommit)
      .git('rev-parse', 'HEAD');
    const outer = server.repository(`outer-${person}.git`).write({ Dockerfile: DOCKERFILE() });
    outer.commit();
    outer.submodule('lib', `${server.url}/middle-${person}.git`, middleCommit);
    const url = `${server.url}/outer-${person}.git`;
    expect(
      runIn(bench, await built(bench, [url]), 'sh', '-c', 'cat /src/lib/middle /src/lib/deep/inner/inner'),
    ).toBe('middleinner');
    expect(runIn(bench, await built(bench, [`${url}?submodules=false`]), 'sh', '-c', 'ls -A /src/lib')).toBe(
      '',
    );
  });

  test('bld add takes a repository', async () => {
    using bench = new Bench(person);
    const name = `verb-${person}.git`;
    server.repository(name).write({ file: 'content', 'dir/inner': 'x' }).commit();
    const container = bench.run('from', 'scratch');
    const url = `${server.url}/${name}`;
    const added = await bench.meanwhile(['add', '--chown', '5', container, `${url}#main`, '/x']);
    expect(added.code).toBe(0);
    expect((await bench.meanwhile(['copy', container, `${url}#main:dir`, '/y'])).code).toBe(125);
    const several = await bench.meanwhile(['add', container, url, 'auth.json', '/z/']);
    expect(several.stderr).toContain('not the only source');
    const id = bench.run('commit', '-q', container);
    bench.run('push', id, `dir:${bench.directory}/out`);
    const layers = bench.exec('sh', [
      '-c',
      `for f in ${bench.directory}/out/*; do tar -tf $f 2>/dev/null; done; true`,
    ]);
    expect(layers.stdout.split('\n')).toEqual(expect.arrayContaining(['x/dir/inner', 'x/file']));
  });

  test('named contexts can be repositories', async () => {
    using bench = new Bench(person);
    const name = `named-${person}.git`;
    server.repository(name).write({ file: 'content', ignored: 'x', '.dockerignore': 'ignored\n' }).commit();
    const context = dockerfile(bench, 'FROM BASE\nCOPY --from=code . /code\n');
    const image = await built(bench, ['--build-context', `code=${server.url}/${name}`, context]);
    expect(runIn(bench, image, 'sh', '-c', 'ls /code; cat /code/file')).toBe('file\ncontent');
  });
});

test('secrets log in, and are in no message', async () => {
  using bench = new Bench('root');
  await using own = await GitServer.start();
  own.repository('private.git').write({ Dockerfile: 'FROM scratch\nCOPY file /\n', file: 'x' }).commit();
  const basic = `Basic ${Buffer.from('x-access-token:s3cret').toString('base64')}`;
  own.password = basic;
  const url = `${own.url}/private.git`;
  const host = new URL(own.url).host;
  const env = { TOKEN: 's3cret', HEADER: basic };
  const refused = await bench.meanwhile(['build', url], { env });
  expect(refused.code).toBe(125);
  expect(refused.stderr).toContain('GIT_AUTH_TOKEN');
  for (const secret of [
    'id=GIT_AUTH_TOKEN,env=TOKEN',
    `id=GIT_AUTH_TOKEN.${host},env=TOKEN`,
    'id=GIT_AUTH_TOKEN.127.0.0.1,env=TOKEN',
    'id=GIT_AUTH_HEADER,env=HEADER',
  ]) {
    await built(bench, ['--secret', secret, url], { env });
  }
  const context = dockerfile(bench, `FROM scratch\nADD ${url} /\n`);
  await built(bench, ['--secret', 'id=GIT_AUTH_TOKEN,env=TOKEN', context], { env });
  const withLogin = url.replace('//', '//x-access-token:s3cret@');
  await built(bench, [withLogin]);
  own.password = 'another';
  const said = await bench.meanwhile(['--log-level', 'debug', 'build', withLogin]);
  expect(said.code).toBe(125);
  expect(said.stderr + said.stdout).not.toContain('s3cret');
  expect(said.stderr).toContain(`git repository ${url}`);
});

test('a token for any host does not reach another one by a submodule', async () => {
  using bench = new Bench('root');
  await using other = await GitServer.start();
  const commit = other.repository('sub.git').write({ file: 'x' }).commit();
  const name = 'leak.git';
  const repository = server.repository(name).write({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
  repository.commit();
  repository.submodule('sub', `${other.url}/sub.git`, commit);
  await built(bench, ['--secret', 'id=GIT_AUTH_TOKEN,env=T', `${server.url}/${name}`], {
    env: { T: 's3cret' },
  });
  expect(other.logins.length).toBeGreaterThan(0);
  expect(other.logins.filter(Boolean)).toEqual([]);
});

test('a login that names no host goes to that of the context, or to the one that the ADDs of an own Dockerfile name', async () => {
  using bench = new Bench('root');
  await using other = await GitServer.start();
  const [mine, theirs] = ['mine.git', 'theirs.git'];
  other.repository(theirs).write({ file: 'x' }).commit();
  const [here, there] = [`${server.url}/${mine}`, `${other.url}/${theirs}`];
  const adds = (...addresses: readonly string[]) =>
    `FROM scratch\n${addresses.map((address, at) => `ADD ${address} /${at}/\n`).join('')}`;
  server
    .repository(mine)
    .write({ Dockerfile: adds(here, there), 'base/Dockerfile': `FROM scratch\nONBUILD ADD ${there} /\n` })
    .commit();
  const env = { TOKEN: 's3cret' };
  const loginsOf = async (...args: readonly string[]) => {
    server.logins.length = 0;
    other.logins.length = 0;
    await built(bench, ['--no-cache', ...args], { env });
    return [server, other].map(({ logins }) => logins.some((login) => login !== ''));
  };
  const plain = ['--secret', 'id=GIT_AUTH_TOKEN,env=TOKEN'];
  expect(await loginsOf(...plain, here)).toEqual([true, false]);
  const host = other.url.replace('http://', '');
  expect(await loginsOf(...plain, '--secret', `id=GIT_AUTH_TOKEN.${host},env=TOKEN`, here)).toEqual([
    true,
    true,
  ]);
  // the person's own Dockerfile: one host, several, one that a variable names, one of a base image
  expect(await loginsOf(...plain, dockerfile(bench, adds(there, there)))).toEqual([false, true]);
  expect(await loginsOf(...plain, dockerfile(bench, adds(here, there)))).toEqual([false, false]);
  const argued = dockerfile(bench, `FROM scratch\nARG HOST\nADD $HOST/${theirs} /\n`);
  expect(await loginsOf(...plain, '--build-arg', `HOST=${other.url}`, argued)).toEqual([false, true]);
  await built(bench, ['-t', 'triggers', `${here}#:base`]);
  expect(await loginsOf(...plain, dockerfile(bench, `FROM triggers\nADD ${here} /here/\n`))).toEqual([
    true,
    false,
  ]);
  // a stranger's Dockerfile over an own context
  await using files = await FileServer.start();
  files.serve('Dockerfile', Buffer.from(adds(there)));
  expect(await loginsOf(...plain, '-f', `${files.url}/Dockerfile`, bench.directory)).toEqual([false, false]);
});

test('what a repository holds runs nothing and leads nowhere', async () => {
  using bench = new Bench('root');
  const canary = join(bench.directory, 'canary');
  const repository = server.repository('hostile.git').write({
    Dockerfile: 'FROM scratch\nCOPY . /\n',
    '.gitattributes': '* filter=evil\n',
    file: 'x',
    'real/file': 'y',
  });
  symlinkSync('real', join(repository.path, 'link'));
  writeFileSync(
    Buffer.concat([Buffer.from(`${repository.path}/`), Buffer.from([0xff, 0xfe])]),
    'a name of bytes',
  );
  symlinkSync('/etc/passwd', join(repository.path, 'Outside'));
  repository.commit();
  writeFileSync(join(bench.directory, 'gitconfig'), `[filter "evil"]\n\tsmudge = touch ${canary}\n`);
  const env = { GIT_CONFIG_GLOBAL: join(bench.directory, 'gitconfig') };
  const url = `${server.url}/hostile.git`;
  await built(bench, [url], { env });
  expect(bench.exec('test', ['-e', canary]).code).toBe(1);
  const reasons: [string, string][] = [
    [`${url}#main:link`, 'is not a directory'],
    [`${url}#main:none`, 'is not in it'],
    [`${url}#main:../..`, 'leaves the repository'],
    [`${url}#--upload-pack=touch ${canary}`, 'which is no branch, tag or commit'],
    [`${url}#nothing`, 'no branch, tag or commit "nothing"'],
    [`${server.url}/none.git`, 'not found'],
  ];
  for (const [address, reason] of reasons) {
    const { code, stderr } = await bench.meanwhile(['build', address]);
    expect(stderr).toContain(reason);
    expect(code).toBe(125);
  }
  const outside = await bench.meanwhile(['build', '-f', 'Outside', url]);
  expect(outside.stderr).toContain('no such Dockerfile');

  const local = server.repository('local.git').write({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
  const commit = local.commit();
  for (const place of [`file://${server.directory}/hostile.git`, '/etc', 'ext::sh -c id', '-x']) {
    const name = `sub-${Buffer.from(place).toString('hex').slice(0, 12)}`;
    const holder = server.repository(`${name}.git`).write({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
    holder.commit();
    holder.submodule('sub', place, commit);
    const { code, stderr } = await bench.meanwhile(['build', `${server.url}/${name}.git`]);
    expect(stderr).toContain('where bld does not look');
    expect(code).toBe(125);
  }
  const agentless = dockerfile(bench, 'FROM scratch\nADD git@127.0.0.1:x.git /\n');
  const refused = await bench.meanwhile(['build', agentless], { env: { SSH_AUTH_SOCK: '/nowhere' } });
  expect(refused.stderr).toContain('--ssh default');
});

test('ssh forms are reached by the command that git is told to use', async () => {
  using bench = new Bench('root');
  server.repository('over-ssh.git').write({ Dockerfile: 'FROM scratch\nCOPY . /\n' }).commit();
  const program = join(bench.directory, 'ssh');
  // ssh OPTIONS… HOST COMMAND: the command is the last word
  writeFileSync(
    program,
    `#!/bin/sh\necho "$@" >> ${bench.directory}/calls\nfor last; do :; done\nexec sh -c "$last"\n`,
  );
  chmodSync(program, 0o755);
  const path = `${server.directory}/over-ssh.git`;
  const env = {
    GIT_SSH_COMMAND: program,
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
  };
  for (const address of [`git@example.com:${path}#main`, `ssh://git@example.com:2222${path}`]) {
    await built(bench, [address], { env });
  }
  const calls = readFileSync(join(bench.directory, 'calls'), 'utf8');
  expect(calls).toContain(`git@example.com git-upload-pack '${path}'`);
  expect(calls).toContain('-p 2222 git@example.com');
});

test('git:// is spoken', async () => {
  using bench = new Bench('root');
  server.repository('daemon.git').write({ Dockerfile: 'FROM scratch\nCOPY . /\n' }).commit();
  const port = await freePort();
  const args = ['daemon', '--reuseaddr', '--export-all', '--listen=127.0.0.1', `--port=${port}`];
  const daemon = spawn('git', [...args, `--base-path=${server.directory}`], {
    stdio: 'ignore',
    detached: true,
  });
  try {
    await reachable(port);
    await built(bench, [`git://127.0.0.1:${port}/daemon.git#main`]);
  } finally {
    if (daemon.pid !== undefined) process.kill(-daemon.pid);
  }
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function reachable(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.unref();
    });
    if (open) return;
    if (tries > 300) throw new Error('git daemon does not listen');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('the same commit gives the same layer, .git included', async () => {
  const ids: string[] = [];
  const repository = server
    .repository('same.git')
    .write({ Dockerfile: 'FROM scratch\nCOPY . /\n', a: 'a', 'd/b': 'b' });
  repository.commit();
  const url = `${server.url}/same.git`;
  for (const umask of ['022', '077']) {
    using bench = new Bench('root');
    const child = await bench.meanwhile(
      [
        'unshare',
        'sh',
        '-c',
        `umask ${umask}; bld build -q --timestamp 0 --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1 ${url}`,
      ],
      {
        env: { PATH: `${join(import.meta.dirname, '../../bin')}:/usr/bin:/bin` },
      },
    );
    expect(child.stderr).toBe('');
    ids.push(child.stdout);
  }
  expect(ids[0]).toBe(ids[1]);
});

test('without git the error says so', async () => {
  using bench = new Bench('root');
  const empty = bench.mkdir('empty');
  const { stderr } = await bench.meanwhile(['build', `${server.url}/x.git`], { env: { PATH: empty } });
  expect(stderr).toContain('git is not installed');
});
