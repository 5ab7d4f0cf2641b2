import { describe, expect, test } from 'vitest';
import { lifeOf, parseToken } from '../../../src/registry/token.ts';

test('lifeOf takes what makes sense, else a minute', () => {
  expect([300, 5, 1, 1e99].map(lifeOf)).toEqual([300, 5, 1, 86_400]);
  expect([-1, 0, 0.5, '300', null, undefined, Number.NaN, {}].map(lifeOf)).toEqual(Array(8).fill(60));
});

describe('parseToken', () => {
  test('either name, token first', () => {
    expect(parseToken('{"token":"a","access_token":"b"}', 'x').value).toBe('a');
    expect(parseToken('{"token":"","access_token":"b"}', 'x').value).toBe('b');
  });
  test('stale before it ends; an issue date is not believed', () => {
    const { staleAt } = parseToken('{"token":"a","expires_in":300,"issued_at":"2999-01-01T00:00:00Z"}', 'x');
    expect(Math.round((staleAt - performance.now()) / 1000)).toBe(270);
  });
  test.each(['{"token":"a\\r\\nx: y"}', '{"token":"a b"}', '{"token":"\\u00e9"}'])(
    'unsafe in a header: %s',
    (body) => {
      expect(() => parseToken(body, 'x')).toThrow('malformed');
    },
  );
  test.each(['', 'null', '[]', '{"token":1}', '<html>'])('no token: %s', (body) => {
    expect(() => parseToken(body, 'x')).toThrow('no token');
  });
});
