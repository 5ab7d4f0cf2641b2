import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { storePlaces } from '../../../src/store/root.ts';
import { readStorageConf } from '../../../src/store/storage-conf.ts';

let home: string;
const made: string[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bld-home-'));
  made.push(home);
});
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true });
});

function write(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const conf = (text: string) => write(join(home, '.config/containers/storage.conf'), text);
const user = (env: Record<string, string> = {}) => storePlaces({ uid: 4321, env: { HOME: home, ...env } });
const stock =
  '[storage]\ndriver = "overlay"\n# graphroot = "/else"\ngraphroot = "/var/lib/containers/storage"\n';

describe('storePlaces', () => {
  test('flags, then variables', async () => {
    const env = { BLD_ROOT: '/env/root', BLD_RUNROOT: '/env/run' };
    expect(await storePlaces({ uid: 0, env })).toEqual({ root: '/env/root', runroot: '/env/run' });
    expect(await storePlaces({ uid: 0, env, root: '/flag', runroot: '/run/flag' })).toEqual({
      root: '/flag',
      runroot: '/run/flag',
    });
  });

  test('root: the system places, whatever the stock file says', async () => {
    const path = write(join(home, 'c'), stock);
    expect(await storePlaces({ uid: 0, env: { CONTAINERS_STORAGE_CONF: path } })).toEqual({
      root: '/var/lib/bld',
      runroot: '/run/bld',
    });
  });

  test('users: XDG directories, else ~/.local/share and a directory of our own in /tmp', async () => {
    conf(stock);
    expect(await user()).toEqual({ root: join(home, '.local/share/bld'), runroot: '/tmp/bld-run-4321' });
    expect(await user({ XDG_DATA_HOME: '/data', XDG_RUNTIME_DIR: home })).toEqual({
      root: '/data/bld',
      runroot: join(home, 'bld'),
    });
    expect((await user({ XDG_RUNTIME_DIR: '/proc/1' })).root).toBe(join(home, '.local/share/bld'));
  });

  test.for([
    ['graphroot = "/big/storage"', { root: '/big/bld' }],
    ['graphroot = "/big/disk"', { root: '/big/disk/bld' }],
    [
      'graphroot = "$HOME/x/storage"\nrunroot = "/r/$UID/storage"',
      { root: 'HOME/x/bld', runroot: '/r/4321/bld' },
    ],
    ['graphroot = "/a/storage"\nrootless_storage_path = "~/s/$NAME"', { root: 'HOME/s/n/bld' }],
  ] as const)('%j in the user file', async ([text, expected]) => {
    conf(`[storage]\n${text}\n`);
    const places = Object.entries(expected).map(([name, path]) => [name, path.replace('HOME', home)]);
    expect(await user({ NAME: 'n' })).toMatchObject(Object.fromEntries(places));
  });

  test('no home at all: E_ENVIRONMENT', async () => {
    await expect(storePlaces({ uid: 3_999_999_999, env: {} })).rejects.toMatchObject({
      code: 'E_ENVIRONMENT',
    });
    expect((await storePlaces({ uid: 3_999_999_999, env: { BLD_ROOT: '/r' } })).root).toBe('/r');
  });
});

test('a malformed file is named', async () => {
  const path = conf('[storage\ngraphroot = "/x"');
  await expect(readStorageConf([path])).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining(path),
  });
  expect(await readStorageConf([join(home, 'none')])).toBeUndefined();
});
