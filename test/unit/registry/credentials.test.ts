import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { keysFor, normalKey, parseEntry, primaryFile } from '../../../src/registry/auth-files.ts';
import {
  findCredentials,
  listLogins,
  removeCredentials,
  storeCredentials,
} from '../../../src/registry/credentials.ts';

const root = mkdtempSync(join(tmpdir(), 'bld-credentials-'));
afterAll(() => rmSync(root, { recursive: true }));

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
let counter = 0;
let home = '';
let env: Record<string, string> = {};

beforeEach(() => {
  home = join(root, String(counter++));
  env = { HOME: home, XDG_RUNTIME_DIR: join(home, 'run') };
});

function write(path: string, value: unknown): string {
  const file = join(home, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** A credential helper as a shell script on PATH. */
function helper(name: string, script: string): void {
  const file = write(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  process.env.PATH = `${join(home, 'bin')}:${process.env.PATH}`;
}

const find = (host: string, repository = '', more = {}) =>
  findCredentials(host, repository, { env, ...more });

describe('the order of the search', () => {
  const all = () => {
    write('run/containers/auth.json', { auths: { 'r.example': auth('runtime:p') } });
    write('.config/containers/auth.json', {
      auths: { 'r.example': auth('config:p'), 'only.config': auth('config:p') },
    });
    write('.docker/config.json', {
      auths: { 'r.example': auth('docker:p'), 'only.docker': auth('docker:p') },
    });
    write('.dockercfg', { 'https://only.old/v1/': auth('old:p') });
  };
  const user = async (host: string) => {
    const found = await find(host);
    return found && 'password' in found ? found.username : null;
  };

  test('the session first, then what the others add', async () => {
    all();
    expect(
      await Promise.all(['r.example', 'only.config', 'only.docker', 'only.old', 'none'].map(user)),
    ).toEqual(['runtime', 'config', 'docker', 'old', null]);
  });
  test('--authfile alone, REGISTRY_AUTH_FILE alone, DOCKER_CONFIG alone', async () => {
    all();
    const file = write('mine.json', { auths: { 'r.example': auth('mine:p') } });
    expect(await find('r.example', '', { authFile: file })).toMatchObject({
      username: 'mine',
      origin: `${file} ("r.example")`,
    });
    expect(await find('only.config', '', { authFile: file })).toBeNull();
    env.REGISTRY_AUTH_FILE = file;
    expect(await user('r.example')).toBe('mine');
    env = { HOME: home, DOCKER_CONFIG: join(home, '.docker') };
    expect(await user('r.example')).toBe('docker');
    expect(await user('only.config')).toBeNull();
  });
  test('DOCKER_AUTH_CONFIG before the files', async () => {
    all();
    env.DOCKER_AUTH_CONFIG = JSON.stringify({ auths: { 'r.example': auth('variable:p') } });
    expect(await user('r.example')).toBe('variable');
    expect(await user('only.config')).toBe('config');
  });
  test('a named file that is not there is an error, others are not', async () => {
    await expect(find('r', '', { authFile: join(home, 'no') })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
    expect(await find('r')).toBeNull();
  });
  test('a broken file is named, and not quoted', async () => {
    const file = write('run/containers/auth.json', '{"auths": secret');
    await expect(find('r')).rejects.toMatchObject({ code: 'E_AUTH', message: expect.stringContaining(file) });
    await expect(find('r')).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });
});

test('the file of a session is named by the person outside of namespaces', () => {
  expect(primaryFile({ uid: 1234, env: {} })).toBe('/run/containers/1234/auth.json');
  expect(primaryFile({ uid: 1234, env: { XDG_RUNTIME_DIR: '/x' } })).toBe('/x/containers/auth.json');
  expect(primaryFile({ authFile: '/f', env: { REGISTRY_AUTH_FILE: '/g' } })).toBe('/f');
});

describe('keys', () => {
  test('most specific first, by whole segments', async () => {
    write('run/containers/auth.json', {
      auths: {
        'r:1': auth('host:p'),
        'r:1/ns': auth('ns:p'),
        'r:1/ns/a': auth('a:p'),
        r: auth('portless:p'),
      },
    });
    const names = await Promise.all(
      [
        ['r:1', 'ns/a'],
        ['r:1', 'ns/a/b'],
        ['r:1', 'ns/ab'],
        ['r:1', 'nsx'],
        ['r', 'ns'],
        ['r:443', 'ns'],
      ].map(async ([host = '', name]) => (await find(host, name))?.username ?? null),
    );
    expect(names).toEqual(['a', 'a', 'ns', 'host', 'portless', null]);
  });
  test.each(['docker.io', 'index.docker.io', 'https://index.docker.io/v1/', 'registry-1.docker.io'])(
    'Docker Hub as %s',
    async (key) => {
      write('run/containers/auth.json', { auths: { [key]: auth('u:p') } });
      expect(await find('docker.io', 'library/alpine')).toMatchObject({ username: 'u' });
    },
  );
  test.each(['docker.io.evil', 'xdocker.io', 'evil/docker.io', 'docker.iox'])(
    '%s is not Docker Hub',
    async (key) => {
      write('run/containers/auth.json', { auths: { [key]: auth('u:p') } });
      expect(await find('docker.io', 'library/alpine')).toBeNull();
    },
  );
  test('an empty entry is none; names of Object are data', async () => {
    write(
      'run/containers/auth.json',
      '{"auths":{"r":{},"__proto__":{"auth":"dTpw"},"constructor":{"auth":"dTpw"}}}',
    );
    expect(await find('r')).toBeNull();
    expect(await find('tostring')).toBeNull();
    expect(await find('constructor')).toMatchObject({ username: 'u' });
  });
  test('helpers of the module', () => {
    expect(normalKey('https://R.Example:5000/v2/')).toBe('r.example:5000');
    expect(normalKey('R.example/Ns/')).toBe('r.example/Ns');
    expect(keysFor('r', 'a/b')).toEqual(['r/a/b', 'r/a', 'r']);
    expect(parseEntry({ identitytoken: 't', ...auth('u:') }, 'x')).toEqual({
      identityToken: 't',
      username: 'u',
    });
    expect(parseEntry(auth('u:p:q\0'), 'x')).toEqual({ username: 'u', password: 'p:q' });
    expect(parseEntry({ username: 'u', password: 'p' }, 'x')).toEqual({ username: 'u', password: 'p' });
    for (const nothing of [null, 7, [], {}, { auth: 7 }, { auth: '' }])
      expect(parseEntry(nothing, 'x')).toBeUndefined();
    expect(() => parseEntry(auth('no colon'), 'x')).toThrow('base64');
  });
});

describe('writing', () => {
  const login = { username: 'u', password: 'p:ö' };

  test('a new file is private and found again', async () => {
    const place = await storeCredentials('R.example:5000', login, { env });
    expect(place).toBe(join(home, 'run/containers/auth.json'));
    expect(statSync(place).mode & 0o777).toBe(0o600);
    expect(await find('r.example:5000', 'x')).toMatchObject(login);
    expect(listLogins({ env })).toEqual([{ key: 'r.example:5000', username: 'u', origin: place }]);
  });
  test('fields of others stay, a link stays a link, an old spelling is replaced', async () => {
    const file = write(
      'real.json',
      '{"x":{"__proto__":1},"auths":{"https://r/v1/":{"auth":"dTpw"},"s":{"auth":"dTpw","email":"e"}}}',
    );
    symlinkSync(file, join(home, 'link.json'));
    await storeCredentials('r', login, { env, authFile: join(home, 'link.json') });
    expect(lstatSync(join(home, 'link.json')).isSymbolicLink()).toBe(true);
    expect(readFileSync(file, 'utf8')).toContain('__proto__');
    expect(read(file)).toMatchObject({ auths: { s: { email: 'e' } } });
    expect(Object.keys((read(file) as { auths: object }).auths)).toEqual(['s', 'r']);
  });
  test("Docker's form has Docker's key and whole hosts alone", async () => {
    const compatAuthFile = join(home, 'docker.json');
    await storeCredentials('docker.io', login, { env, compatAuthFile });
    expect(read(compatAuthFile)).toMatchObject({ auths: { 'https://index.docker.io/v1/': {} } });
    await expect(storeCredentials('r/ns', login, { env, compatAuthFile })).rejects.toMatchObject({
      code: 'E_USAGE',
    });
  });
  test('a namespace has a login of its own; logout removes just that', async () => {
    await storeCredentials('r/ns', login, { env });
    await storeCredentials('r', { username: 'host', password: 'p' }, { env });
    expect(await find('r', 'ns/x')).toMatchObject({ username: 'u' });
    expect(await removeCredentials('r/ns', { env })).toEqual(['r/ns']);
    expect(await removeCredentials('r/ns', { env })).toEqual([]);
    expect(await find('r', 'ns/x')).toMatchObject({ username: 'host' });
    expect(await removeCredentials('all', { env })).toEqual(['r']);
    expect(await find('r')).toBeNull();
  });
  test('an identity token', async () => {
    await storeCredentials('r', { identityToken: 'idt' }, { env });
    expect(await find('r')).toMatchObject({ identityToken: 'idt' });
  });
  test.each(['', '../x', 'a b', 'r/../x', 'r/NS'])('no key: %j', async (key) => {
    await expect(storeCredentials(key, login, { env })).rejects.toMatchObject({ code: 'E_USAGE' });
  });
  test('a place that cannot be written', async () => {
    const authFile = join(write('file', ''), 'auth.json');
    await expect(storeCredentials('r', login, { authFile })).rejects.toMatchObject({
      hint: expect.stringContaining('--authfile'),
    });
  });
});

describe('helpers', () => {
  test('the helper of a host, the general one, and what they say of unknown hosts', async () => {
    helper(
      'one',
      'read s; case $s in r) echo \'{"Username":"h","Secret":"s"}\';; *) echo "credentials not found in native keychain"; exit 1;; esac',
    );
    helper('tok', 'echo \'{"Username":"<token>","Secret":"idt"}\'');
    write('run/containers/auth.json', {
      auths: { t: auth('file:p') },
      credHelpers: { r: 'one', none: 'one' },
      credsStore: 'tok',
    });
    expect(await find('r')).toMatchObject({
      username: 'h',
      password: 's',
      origin: expect.stringContaining('docker-credential-one'),
    });
    expect(await find('t')).toMatchObject({ username: 'file' });
    expect(await find('none')).toMatchObject({ identityToken: 'idt' });
  });
  test('login and logout go through the helper', async () => {
    helper('kept', `case $1 in store) cat > ${home}/stored;; erase) cat > ${home}/erased;; esac`);
    const file = write('run/containers/auth.json', { credHelpers: { r: 'kept' } });
    expect(await storeCredentials('r', { username: 'u', password: 'p' }, { env })).toBe(
      'docker-credential-kept',
    );
    expect(read(join(home, 'stored'))).toEqual({ ServerURL: 'r', Username: 'u', Secret: 'p' });
    expect(readFileSync(file, 'utf8')).not.toContain('auths');
    expect(await removeCredentials('r', { env })).toEqual(['r']);
  });
  test.each([
    ['echo nonsense', 'no JSON'],
    ['echo "it is locked \u001b[2J"; exit 3', 'failed (status 3): it is locked \\x1b[2J'],
    ['head -c 3000000 /dev/zero', 'more than 1 MiB'],
    ['echo "null"', 'no JSON'],
  ])('%s', async (script, told) => {
    helper('bad', script);
    write('run/containers/auth.json', { credHelpers: { r: 'bad' } });
    await expect(find('r')).rejects.toMatchObject({ code: 'E_AUTH', message: expect.stringContaining(told) });
  });
  test('not installed: an error for a named host, none for the general one', async () => {
    write('run/containers/auth.json', { credHelpers: { r: 'absent' }, credsStore: 'absent' });
    await expect(find('r')).rejects.toMatchObject({
      code: 'E_AUTH',
      message: expect.stringContaining('not installed'),
    });
    expect(await find('s')).toBeNull();
  });
  test.each(['../../x', 'a;id', 'a b', '$(id)', ''])('no name of a helper: %j', async (name) => {
    write('run/containers/auth.json', { credHelpers: { r: name } });
    await expect(find('r')).rejects.toMatchObject({
      code: 'E_AUTH',
      message: expect.stringContaining('malformed'),
    });
  });
});
