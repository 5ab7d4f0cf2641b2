/** Corrupt, truncated and lying archives, and layers that would reach out of their image (A01-A35, A60, A61). */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { Disk, failure, listing, looks, rawImage, writeLayout } from '../helpers/faults.ts';
import { leftovers } from '../helpers/processes.ts';
import { sha256 } from '../helpers/registry.ts';
import { archive, dir, link, member } from '../unit/layers/fixtures.ts';

const PERSONS = ['root', 'tester'] as const;

/** The largest blob of a layout or `dir:` directory: the base's layer. */
function largest(directory: string): string {
  const { stdout } = spawnSync(
    'sh',
    ['-c', `find '${directory}' -type f -printf '%s %p\\n' | sort -n | tail -1`],
    {
      encoding: 'utf8',
    },
  );
  return stdout.trim().replace(/^\d+ /, '');
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes.writeUInt8((bytes[at] ?? 0) ^ 0xff, at);
  writeFileSync(path, bytes);
}

function replaced(path: string, from: string | RegExp, to: string): void {
  writeFileSync(path, readFileSync(path, 'latin1').replace(from, to), 'latin1');
}

type Damage = readonly [name: string, how: (path: string) => void, codes: string];

const BROKEN = 'E_INTEGRITY|E_ARCHIVE|E_NOT_FOUND';

const DIRECTORIES: readonly Damage[] = [
  ['a flipped byte', (path) => flip(largest(path)), 'E_INTEGRITY'],
  ['a truncated blob', (path) => truncateSync(largest(path), 1000), 'E_INTEGRITY'],
  ['a longer blob', (path) => writeFileSync(largest(path), 'more', { flag: 'a' }), 'E_INTEGRITY'],
  ['a missing blob', (path) => rmSync(largest(path)), 'E_NOT_FOUND|E_ARCHIVE'],
  ['a blob that is a link', (path) => linked(largest(path)), 'E_ARCHIVE|E_PATH'],
  ['a blob that is a directory', (path) => asDirectory(largest(path)), 'E_ARCHIVE|E_PATH|E_NOT_FOUND'],
];

const LAYOUTS: readonly Damage[] = [
  ...DIRECTORIES,
  ['an index that is no JSON', (path) => writeFileSync(join(path, 'index.json'), '{'), BROKEN],
  ['an empty index', (path) => writeFileSync(join(path, 'index.json'), ''), BROKEN],
  [
    'an index with a digest that is a path',
    (path) => replaced(join(path, 'index.json'), /sha256:[0-9a-f]+/, 'sha256:../../../../etc/passwd'),
    BROKEN,
  ],
  ['an index that is a link', (path) => linked(join(path, 'index.json')), 'E_ARCHIVE|E_PATH'],
  [
    'another version',
    (path) => replaced(join(path, 'oci-layout'), '1.0.0', '9.0.0'),
    'E_ARCHIVE|E_UNSUPPORTED',
  ],
  ['no marker', (path) => rmSync(join(path, 'oci-layout')), 'E_NOT_FOUND'],
];

const DIRS: readonly Damage[] = [
  ...DIRECTORIES,
  ['a manifest that is no JSON', (path) => writeFileSync(join(path, 'manifest.json'), 'x'), BROKEN],
  ['no manifest', (path) => rmSync(join(path, 'manifest.json')), 'E_NOT_FOUND'],
];

const TARS: readonly Damage[] = [
  ['a flipped byte', flip, BROKEN],
  ['a truncated archive', (path) => truncateSync(path, 100_000), BROKEN],
  ['an empty file', (path) => truncateSync(path, 0), BROKEN],
  ['no archive at all', (path) => writeFileSync(path, Buffer.alloc(10_000, 'x')), BROKEN],
];

function linked(path: string): void {
  renameSync(path, `${path}-moved`);
  symlinkSync(`${path}-moved`, path);
}

function asDirectory(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

describe.each(PERSONS)('archives as %s', (person) => {
  const kinds: Readonly<Record<string, readonly Damage[]>> = {
    oci: LAYOUTS,
    dir: DIRS,
    'oci-archive': TARS,
    'docker-archive': TARS,
  };
  test.for(Object.keys(kinds))('%s: damage of each kind is told, and the store is as it was', (transport) => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    bench.run('run', 'c', 'touch', '/x');
    bench.run('commit', 'c', 'localhost/made:1');
    const good = join(bench.directory, 'good');
    bench.run('push', 'localhost/made:1', `${transport}:${good}`);
    bench.run('rm', 'c');
    bench.run('rmi', '--all', '--force');
    const before = listing(bench);
    const wrong: unknown[] = [];
    for (const [name, damage, codes] of kinds[transport] ?? []) {
      const bad = join(bench.directory, 'bad');
      rmSync(bad, { recursive: true, force: true });
      cpSync(good, bad, { recursive: true });
      damage(bad);
      bench.ownAll(bad);
      const pulled = bench.try(['--log-format', 'json', 'from', '--name', 'b', `${transport}:${bad}`]);
      const result = pulled.code === 0 ? bench.try(['--log-format', 'json', 'run', 'b', 'true']) : pulled;
      const { code = '', message = '' } = failure(result);
      if (result.code !== 125 || !codes.split('|').includes(code))
        wrong.push({ name, was: result.code, code, message });
      bench.try(['rm', '--all']);
      bench.try(['rmi', '--all', '--force']);
    }
    expect(wrong).toEqual([]);
    const kept = (line: string) => !/^(blobs|tmp\/partial|layers)\//.test(line);
    expect(listing(bench).filter(kept)).toEqual(before.filter(kept));
    expect(leftovers(bench.root).filter((path) => !path.startsWith('tmp/partial'))).toEqual([]);
    bench.run('from', '--name', 'again', `${transport}:${good}`);
    expect(bench.run('run', 'again', 'ls', '/x')).toBe('/x');
  });

  test('a docker archive whose names lead out of it (A61)', () => {
    using bench = new Bench(person);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [sha256('')] },
    });
    const items = [
      { Config: 'config.json', Layers: ['../../../../../../etc/passwd'] },
      { Config: '/etc/passwd', Layers: [] },
      { Config: 'config.json', Layers: ['link'] },
      { Config: 'config.json', Layers: ['nowhere/layer.tar'] },
    ];
    for (const item of items) {
      const path = join(bench.directory, 'docker.tar');
      const document = JSON.stringify([{ ...item, RepoTags: ['evil:1'] }]);
      writeFileSync(
        path,
        archive(
          member('config.json', config),
          link('symlink', 'link', '/etc/passwd'),
          member('manifest.json', document),
        ),
      );
      const result = bench.try(['--log-format', 'json', 'from', `docker-archive:${path}`]);
      expect({ item, code: result.code, ...failure(result) }).toMatchObject({
        code: expect.stringMatching(/^E_(NOT_FOUND|ARCHIVE|PATH|INTEGRITY)$/),
      });
    }
    expect(bench.run('images', '-q')).toBe('');
  });
});

/** Layers that reach for `../canary`, for the directory `outside`, or for the machine. */
const ESCAPES: Readonly<Record<string, (outside: string) => readonly (readonly Buffer[])[]>> = {
  '..': () => [[member('../../../../canary', 'evil')]],
  '.. inside': () => [[member('a/../../../../canary', 'evil')]],
  absolute: (outside) => [[member(`${outside}/canary`, 'evil')]],
  'a file through a link': (outside) => [[link('symlink', 'd', outside), member('d/canary', 'evil')]],
  'a file through a link of the layer below': (outside) => [
    [link('symlink', 'd', outside)],
    [member('d/canary', 'evil')],
  ],
  'a link to the root, then below it': (outside) => [
    [link('symlink', 'r', '/'), member(`r${outside}/canary`, 'evil')],
  ],
  'a whiteout through a link': (outside) => [[link('symlink', 'd', outside)], [member('d/.wh.canary', '')]],
  'an opaque mark through a link': (outside) => [
    [link('symlink', 'd', outside)],
    [member('d/.wh..wh..opq', '')],
  ],
  'a hard link to the machine': (outside) => [
    [link('hardlink', 'h', `${outside}/canary`), member('h', 'evil')],
  ],
  'a hard link upwards': () => [[link('hardlink', 'h', '../../../../canary')]],
  'a hard link through a link': (outside) => [
    [link('symlink', 'd', outside), link('hardlink', 'h', 'd/canary')],
  ],
  'a directory over a link': (outside) => [
    [link('symlink', 'd', outside), dir('d', { mode: 0o777, uid: 4711 })],
  ],
  'the root as a link': (outside) => [[link('symlink', './', outside), member('canary', 'evil')]],
};

describe.each(PERSONS)('layers that reach out, as %s', (person) => {
  test.for(Object.entries(ESCAPES))('%s', ([, layers]) => {
    using bench = new Bench(person);
    const outside = bench.mkdir('outside');
    writeFileSync(join(outside, 'canary'), 'canary', { mode: 0o640 });
    writeFileSync(join(bench.directory, 'canary'), 'canary', { mode: 0o640 });
    bench.ownAll(bench.directory);
    const before = [outside, join(bench.directory, 'canary')].map(looks);
    const image = rawImage(
      layers(outside).map((members) => archive(...members)),
      inject('base'),
    );
    const made = bench.try(['from', '--name', 'c', writeLayout(bench, image, 'evil')]);
    if (made.code === 0) {
      const ran = bench.try([
        '--log-format',
        'json',
        'run',
        'c',
        'sh',
        '-c',
        'echo evil > /d/canary; rm -rf /d/canary; true',
      ]);
      if (ran.code !== 0) expect(failure(ran).code).toMatch(/^E_(PATH|ARCHIVE)$/);
      bench.try(['copy', 'c', 'canary', '/d/canary']);
      bench.run('rm', 'c');
    }
    bench.run('rmi', '--all', '--force');
    expect([outside, join(bench.directory, 'canary')].map(looks)).toEqual(before);
  });

  test('devices of a layer are devices for nobody (A25)', () => {
    using bench = new Bench(person);
    const devices = [
      member('disk', '', { type: 'block', major: 8, minor: 0, mode: 0o666 }),
      member('memory', '', { type: 'char', major: 1, minor: 1, mode: 0o666 }),
      member('nothing', '', { type: 'char', major: 0, minor: 0, mode: 0o666 }),
    ];
    const location = writeLayout(bench, rawImage([archive(...devices)], inject('base')), 'devices');
    bench.run('from', '--name', 'c', location);
    const ran = bench.try([
      'run',
      'c',
      'sh',
      '-c',
      'dd if=/disk of=/dev/null count=1; dd if=/memory of=/dev/null count=1',
    ]);
    expect(ran.stderr).not.toMatch(/1\+0 records|512 bytes/);
  });

  test('a bomb ends with the disk as it was (A35)', () => {
    using bench = new Bench(person);
    using disk = new Disk(bench, bench.root, 'size=40m');
    bench.run('from', '--name', 'c', inject('base'));
    bench.run('run', 'c', 'true');
    const zeros = archive(member('zeros', Buffer.alloc(300 << 20)));
    const image = rawImage([zeros], inject('base'));
    const bomb = gzipSync(zeros, { level: 9 });
    image.manifest.layers[1] = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: sha256(bomb),
      size: bomb.length,
    };
    image.blobs.delete(sha256(zeros));
    image.blobs.set(sha256(bomb), bomb);
    const location = writeLayout(bench, image, 'bomb');
    bench.run('from', '--name', 'b', location);
    const before = disk.free;
    const ran = bench.try(['--log-format', 'json', 'run', 'b', 'true']);
    expect(failure(ran)).toMatchObject({ code: 'E_DISK_FULL' });
    expect(disk.free).toBeGreaterThan(before - 500_000);
    expect(readdirSync(join(bench.root, 'tmp'))).toEqual(['partial']);
  });
});
