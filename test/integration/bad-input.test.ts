/** A81, A82 and every word that a person can get wrong: a code, a message in Buildah's words, and a store as it was. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, type Person } from '../helpers/bld.ts';
import { failure, listing } from '../helpers/faults.ts';
import { leftovers } from '../helpers/processes.ts';

type Mistake = readonly [words: string, code: string, message: RegExp, hint?: RegExp];

const NO_CONTAINER = /^reading build container "nosuch": container not known$/;
const NO_IMAGE = /nosuch: image not known$/;

/** Words in place of which the test puts things: CTX, BASE. */
const MISTAKES: readonly Mistake[] = [
  ['bogus', 'E_USAGE', /^unknown command "bogus" for "bld"$/, /./],
  ['comit c x', 'E_USAGE', /^unknown command "comit" for "bld"$/, /did you mean commit/],
  ['run --bogus c true', 'E_USAGE', /^unknown flag: --bogus$/],
  ['config --env', 'E_USAGE', /^flag needs an argument: --env$/],
  ['from', 'E_USAGE', /image name .* must be specified/],
  ['from --pull=bogus x', 'E_USAGE', /bogus/],
  ['copy c', 'E_USAGE', /^src must be specified$/],
  ['run c', 'E_USAGE', /^command must be specified$/],
  ['rm', 'E_USAGE', /container .* must be specified/],
  ['rmi', 'E_USAGE', /image name or ID must be specified/],
  ['tag one', 'E_USAGE', /./],
  ['images --format {{.Nope}}', 'E_USAGE', /can't evaluate field Nope in type/],
  ['run nosuch true', 'E_NOT_FOUND', NO_CONTAINER, /bld containers/],
  ['copy nosuch CTX /', 'E_NOT_FOUND', NO_CONTAINER, /bld containers/],
  ['config --env a=b nosuch', 'E_NOT_FOUND', NO_CONTAINER, /bld containers/],
  ['commit nosuch x', 'E_NOT_FOUND', NO_CONTAINER, /bld containers/],
  ['mount nosuch', 'E_NOT_FOUND', NO_CONTAINER],
  ['umount nosuch', 'E_NOT_FOUND', NO_CONTAINER],
  ['rename nosuch x', 'E_NOT_FOUND', NO_CONTAINER],
  ['rm nosuch', 'E_NOT_FOUND', /^removing container "nosuch": container not known$/],
  ['rmi nosuch', 'E_NOT_FOUND', NO_IMAGE],
  ['push nosuch oci:CTX/out', 'E_NOT_FOUND', NO_IMAGE],
  ['tag nosuch x', 'E_NOT_FOUND', NO_IMAGE],
  ['images nosuch', 'E_NOT_FOUND', NO_IMAGE],
  ['from --pull-never nosuch', 'E_NOT_FOUND', NO_IMAGE],
  ['from localhost/nosuch', 'E_NOT_FOUND', NO_IMAGE],
  ['from oci:CTX/nosuch', 'E_NOT_FOUND', /nosuch/],
  ['from bogus:CTX', 'E_NETWORK|E_USAGE|E_UNSUPPORTED|E_REGISTRY', /./],
  ['from UPPER/Case', 'E_USAGE', /UPPER/],
  [
    'from --name c BASE',
    'E_EXISTS',
    /^the container name "c" is already in use by [0-9a-f]{64}\. You have to/,
  ],
  ['from --name ../x BASE', 'E_USAGE', /cannot be a container's name/, /./],
  ['rename c ../x', 'E_USAGE', /cannot be a container's name/, /./],
  ['commit c BAD:NAME:HERE', 'E_USAGE|E_UNSUPPORTED', /./],
  ['run c nosuchprogram', 'E_RUN', /"nosuchprogram" is not in the container's PATH/, /./],
  ['run c /etc', 'E_RUN', /"\/etc"/],
  [
    'run --user nosuch c true',
    'E_RUN',
    /^determining run uid: user: unknown user error looking up user "nosuch"$/,
  ],
  ['run --volume CTX/nosuch:/v c true', 'E_NOT_FOUND', /^volume source .*\/nosuch: no such file/],
  ['run --volume CTX c true', 'E_USAGE', /invalid volume/, /SOURCE:TARGET/],
  ['run --volume CTX:/v:bogus c true', 'E_USAGE', /unknown option "bogus"/, /./],
  ['run --mount type=bogus,target=/x c true', 'E_USAGE', /bogus/],
  ['run --network bogus c true', 'E_UNSUPPORTED', /bogus/, /choose host/],
  ['run --cap-add BOGUS c true', 'E_USAGE', /BOGUS/],
  ['copy --contextdir CTX c ../outside /x', 'E_PATH', /"\.\.\/outside" lies outside/, /--contextdir/],
  ['copy --contextdir CTX c a/../../outside /x', 'E_PATH', /lies outside/, /--contextdir/],
  [
    'copy --contextdir CTX c file.tx /x',
    'E_NOT_FOUND',
    /"file\.tx": no such file/,
    /did you mean "file.txt"\?/,
  ],
  ['copy --contextdir CTX c FILE.TXT /x', 'E_NOT_FOUND', /no such file/, /did you mean "file.txt"\?/],
  ['copy --contextdir CTX c sub/depe /x', 'E_NOT_FOUND', /no such file/, /did you mean .*deep/],
  ['copy --contextdir CTX c *.nope /x', 'E_NOT_FOUND', /"\*\.nope"/],
  ['copy --contextdir CTX c shadow /x', 'E_NOT_FOUND', /"shadow" is a link to "\/etc\/shadow"/],
  ['copy --contextdir CTX c up /x', 'E_NOT_FOUND', /"up" is a link to "\.\.\/outside"/],
  ['copy --contextdir CTX c rootdir/etc/shadow /x', 'E_NOT_FOUND', /no such file/],
  ['copy --contextdir CTX c loop /x', 'E_PATH', /too many links/],
  ['copy --contextdir CTX/nosuch c x /x', 'E_NOT_FOUND', /^the context .*\/nosuch: /],
  ['copy --contextdir CTX/file.txt c x /x', 'E_PATH|E_NOT_FOUND|E_ENVIRONMENT', /file\.txt/],
  [
    'copy --contextdir CTX --ignorefile CTX/.dockerignore c left-out /x',
    'E_NOT_FOUND',
    /excluded/,
    /\.dockerignore:2 excludes it: left-\*/,
  ],
  ['copy --ignorefile CTX/nosuch c CTX /x', 'E_NOT_FOUND', /reading the ignore file .*nosuch/],
  ['copy c CTX/nosuch /x', 'E_NOT_FOUND', /no such file or directory/],
  ['copy c CTX /etc/passwd', 'E_PATH', /\/etc\/passwd already exists but is not a directory/],
  ['copy c CTX/file.txt /etc/passwd/x', 'E_PATH', /not a directory/],
  ['copy --chown nosuch c CTX/file.txt /x', 'E_RUN|E_USAGE|E_NOT_FOUND', /nosuch/],
  ['copy --chmod 99999 c CTX/file.txt /x', 'E_USAGE', /'99999'/],
  ['copy --from localhost/nosuch c /x /x', 'E_NOT_FOUND', NO_IMAGE],
  ['copy --from c2 c /nosuch /x', 'E_NOT_FOUND', /no such file or directory in container c2/],
  ['add --checksum sha256:00 c CTX/file.txt /x', 'E_USAGE|E_INTEGRITY', /checksum|sha256:00/],
  ['commit c oci:/proc/nosuch/x', 'E_NOT_FOUND|E_PERMISSION|E_ENVIRONMENT', /\/proc/],
  ['push extra oci-archive:CTX/file.txt/x', 'E_NOT_FOUND|E_PATH|E_ENVIRONMENT|E_PERMISSION', /file\.txt/],
  ['push extra dir:CTX/full', 'E_EXISTS', /not empty/, /./],
];

function prepared(person: Person): { bench: Bench; context: string } & Disposable {
  const bench = new Bench(person);
  const context = bench.mkdir('context');
  writeFileSync(join(context, 'file.txt'), 'x');
  writeFileSync(join(context, '.dockerignore'), '# a comment\nleft-*\n');
  writeFileSync(join(context, 'left-out'), 'x');
  for (const directory of ['sub', 'full']) mkdirSync(join(context, directory));
  writeFileSync(join(context, 'sub/deep'), 'x');
  writeFileSync(join(context, 'full/mine'), 'x');
  writeFileSync(join(bench.directory, 'outside'), 'x');
  for (const [name, target] of Object.entries({
    shadow: '/etc/shadow',
    up: '../outside',
    rootdir: '/',
    loop: 'loop',
  })) {
    symlinkSync(target, join(context, name));
  }
  bench.ownAll(context);
  bench.run('from', '--name', 'c', inject('base'));
  bench.run('from', '--name', 'c2', inject('base'));
  bench.run('run', 'c2', 'touch', '/x');
  bench.run('commit', 'c2', 'extra');
  return { bench, context, [Symbol.dispose]: () => bench[Symbol.dispose]() };
}

describe.each(['root', 'tester'] as const)('as %s', (person) => {
  test('each mistake has a code and says what is wrong, and the store is as it was', () => {
    using place = prepared(person);
    const { bench, context } = place;
    bench.run('run', 'c', 'true');
    const before = listing(bench);
    const tried = MISTAKES.filter(([words]) => person === 'root' || /^(copy|from|run --v)/.test(words));
    const wrong = tried.flatMap(([words, code, message, hint = /^/]) => {
      const args = words.replaceAll('CTX', context).replaceAll('BASE', inject('base')).split(' ');
      const result = bench.try(['--log-format', 'json', ...args]);
      const said = failure(result);
      const isRight =
        code.split('|').includes(said.code ?? '') &&
        message.test(said.message ?? '') &&
        hint.test(said.hint ?? '') &&
        result.code === (/^run c (nosuch|\/etc)/.test(words) ? 1 : 125) &&
        result.stdout === '';
      return isRight ? [] : [{ words, ...result, ...said }];
    });
    expect(wrong).toEqual([]);
    expect(leftovers(bench.root)).toEqual([]);
    const made = listing(bench).filter((line) => !before.includes(line));
    // a command that ran leaves what overlayfs needs to work
    expect(made.filter((line) => !/^containers\/[0-9a-f]+\/work\//.test(line))).toEqual([]);
  });

  test('links in a context lead nowhere but into it', () => {
    using place = prepared(person);
    const { bench, context } = place;
    bench.run('copy', '--contextdir', context, 'c', 'rootdir', '/whole');
    expect(bench.run('run', 'c', 'cat', '/whole/file.txt')).toBe('x');
    bench.run('copy', '--contextdir', context, 'c', '.', '/all');
    expect(bench.run('run', 'c', 'readlink', '/all/shadow')).toBe('/etc/shadow');
    bench.run('copy', '--contextdir', context, 'c', '/sub/deep', '/deep');
    expect(bench.run('run', 'c', 'cat', '/deep')).toBe('x');
    expect(readlinkSync(join(context, 'shadow'))).toBe('/etc/shadow');
  });

  test('without --log-format json: one sentence and the way out', () => {
    using place = prepared(person);
    const { bench } = place;
    expect(bench.try(['run', 'nosuch', 'true'])).toMatchObject({
      code: 125,
      stdout: '',
      stderr:
        'Error: reading build container "nosuch": container not known\nhint: `bld containers` lists them, `bld from IMAGE` makes one\n',
    });
  });
});

test('files that the person may not read, places where he may not write', () => {
  using place = prepared('tester');
  const { bench, context } = place;
  const secret = join(bench.directory, 'secret');
  writeFileSync(secret, 'x', { mode: 0o600 });
  spawnSync('chown', ['root:root', secret]);
  const denied = (...args: string[]) => failure(bench.try(['--log-format', 'json', ...args]));
  expect(denied('copy', 'c', secret, '/x')).toMatchObject({ code: 'E_PERMISSION' });
  expect(denied('copy', 'c', '/root', '/x')).toMatchObject({ code: 'E_PERMISSION' });
  expect(denied('push', 'extra', 'oci:/etc/out')).toMatchObject({
    code: 'E_PERMISSION',
    message: expect.stringContaining('/etc/out'),
  });
  expect(denied('--root', '/etc/store', 'images')).toMatchObject({
    code: 'E_PERMISSION',
    message: expect.stringContaining('/etc/store'),
  });
  spawnSync('chown', ['-R', 'root:root', bench.root]);
  expect(denied('images').code).toMatch(/E_PERMISSION|E_STORE/);
  expect(denied('from', inject('base')).code).toMatch(/E_PERMISSION|E_STORE/);
  expect(context).not.toBe('');
});

describe('in the words of the real one', () => {
  const buildah = spawnSync('buildah', ['--version']).status === 0;
  const SAME: readonly string[] = [
    'run nosuch true',
    'rm nosuch',
    'config --env a=b nosuch',
    'bogus',
    'run --bogus nosuch',
    'from --pull-never nosuch',
    'rmi nosuch',
    'images nosuch',
    'tag nosuch x',
    'umount nosuch',
  ];
  test.skipIf(!buildah)('same exit codes, same first lines', () => {
    using bench = new Bench('root');
    const peer = ['--root', join(bench.directory, 'peer'), '--runroot', join(bench.directory, 'peer-run')];
    for (const words of SAME) {
      const theirs = spawnSync('buildah', [...peer, '--storage-driver', 'vfs', ...words.split(' ')], {
        encoding: 'utf8',
      });
      const ours = bench.try(words.split(' '));
      expect({ words, code: ours.code }).toEqual({ words, code: theirs.status });
    }
  });
});
