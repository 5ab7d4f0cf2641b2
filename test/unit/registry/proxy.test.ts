import { describe, expect, test } from 'vitest';
import { proxyFor } from '../../../src/registry/proxy.ts';

const at = (address: string, env: Record<string, string>) => proxyFor(new URL(address), env)?.href;

describe('proxyFor', () => {
  const env = { HTTPS_PROXY: 'http://p:3128', http_proxy: 'q:80' };
  test('one a scheme, either case, scheme of the proxy optional', () => {
    expect(at('https://r.example/', env)).toBe('http://p:3128/');
    expect(at('http://r.example/', env)).toBe('http://q/');
    expect(at('https://r.example/', { all_proxy: 'https://u:p@a' })).toBe('https://u:p@a/');
    expect(at('https://r.example/', {})).toBeUndefined();
  });
  test('loopback is never proxied', () => {
    for (const host of ['localhost:5000', '127.0.0.1', '[::1]:1'])
      expect(at(`https://${host}/`, env)).toBeUndefined();
  });
  test.each([
    ['r.example', 'https://r.example/', true],
    ['example', 'https://r.example/', true],
    ['.example', 'https://r.example/', true],
    ['*.example', 'https://r.example/', true],
    ['.r.example', 'https://r.example/', false],
    ['ample', 'https://r.example/', false],
    ['r.example:443', 'https://r.example/', true],
    ['r.example:5000', 'https://r.example/', false],
    ['r.example:5000', 'https://r.example:5000/', true],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.0.0.0/99', 'https://10.1.2.3/', false],
    ['fd00::/8', 'https://[fd00::1]/', true],
    ['[fd00::1]:5000', 'https://[fd00::1]:5000/', true],
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['*', 'https://r.example/', true],
    ['a, r.example', 'https://r.example/', true],
    ['a b R.EXAMPLE', 'https://r.example/', true],
  ])('NO_PROXY=%s for %s: %s', (list, address, excluded) => {
    expect(at(address, { ...env, NO_PROXY: list }) === undefined).toBe(excluded);
  });
  test('a proxy of another kind is refused, its password not told', () => {
    expect(() => at('https://r.example/', { HTTPS_PROXY: 'socks5://u:secret@p:1' })).toThrow(
      /socks5:\/\/p:1.*not an HTTP proxy/,
    );
  });
});
