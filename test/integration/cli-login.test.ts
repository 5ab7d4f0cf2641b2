import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { TestRegistry } from '../helpers/registry.ts';

const auth = { scheme: 'basic', users: { ci: 'secret' } } as const;

/** `bld` beside a registry in this process, which a synchronous call would keep from answering. */
async function call(bench: Bench, words: readonly string[]) {
  const child = bench.start(words);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, ...output };
}

describe('login', () => {
  test('a right login is kept, shown, and forgotten', async () => {
    await using registry = await TestRegistry.start({ auth });
    using bench = new Bench('root');
    const words = ['login', '--tls-verify=false', '--username', 'ci', '--password', 'secret', registry.host];
    expect(await call(bench, words)).toMatchObject({ code: 0, stdout: 'Login Succeeded!\n' });
    const file = join(bench.directory, 'auth.json');
    expect(JSON.parse(readFileSync(file, 'utf8')).auths).toEqual({
      [registry.host]: { auth: Buffer.from('ci:secret').toString('base64') },
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(bench.run('login', '--get-login', registry.host)).toBe('ci');
    expect(bench.run('logout', registry.host)).toBe(`Removed login credentials for ${registry.host}`);
    expect(bench.try(['login', '--get-login', registry.host])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^Error: not logged into /),
    });
    expect(bench.try(['logout', registry.host]).code).toBe(125);
  });

  test('a wrong one is refused, and not kept', async () => {
    await using registry = await TestRegistry.start({ auth });
    using bench = new Bench('root');
    const words = ['login', '--tls-verify=false', '--username', 'ci', '--password', 'wrong', registry.host];
    const result = await call(bench, words);
    expect(result).toMatchObject({ code: 125, stdout: '' });
    expect(result.stderr).not.toContain('wrong\n');
    expect(bench.try(['login', '--get-login', registry.host]).code).toBe(125);
  });

  test('nothing is asked where there is no terminal', () => {
    using bench = new Bench('root');
    expect(bench.try(['login', 'registry.test'])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^Error: there is no terminal to ask for the username\n/),
    });
    expect(bench.try(['login', '--password-stdin', 'registry.test'], { input: 'x' }).stderr).toMatch(
      /^Error: must provide --username with --password-stdin\n/,
    );
  });
});
