import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseChallenge, mergeScopes } from '../../../src/registry/auth.ts';
import { parseChallenges } from '../../../src/registry/challenge.ts';

const plain = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('parseChallenges', () => {
  test.each<[string, unknown]>([
    ['Basic realm="a"', [['basic', { realm: 'a' }]]],
    ['BEARER Realm="https://a/t",Service="s"', [['bearer', { realm: 'https://a/t', service: 's' }]]],
    [
      'Bearer realm="a",scope="repository:x:pull,push"',
      [['bearer', { realm: 'a', scope: 'repository:x:pull,push' }]],
    ],
    [
      'Basic realm="a, b", Bearer realm="c"',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c' }],
      ],
    ],
    [
      'Negotiate, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate YWJj==, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['Bearer realm = "a" , service= s', [['bearer', { realm: 'a', service: 's' }]]],
    ['Bearer realm="say \\"hi\\""', [['bearer', { realm: 'say "hi"' }]]],
    ['Bearer realm="a",realm="b"', [['bearer', { realm: 'a' }]]],
    [',, Basic realm="a",,', [['basic', { realm: 'a' }]]],
    ['Bearer', [['bearer', {}]]],
    ['realm="a"', []],
    ['', []],
    ['"', []],
    ['Basic realm="open', [['basic', { realm: '"open' }]]],
  ])('%s', (header, expected) => expect(plain(header)).toEqual(expected));

  test('any text comes to an end', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => Array.isArray(parseChallenges(text))));
  });

  test('Bearer with a realm comes before Basic, whatever the order', () => {
    expect(chooseChallenge(parseChallenges('Basic realm="a", Bearer realm="b"'))?.scheme).toBe('bearer');
    expect(chooseChallenge(parseChallenges('Bearer, Basic realm="a"'))?.scheme).toBe('basic');
    expect(chooseChallenge(parseChallenges('Negotiate'))).toBeUndefined();
  });
});

test('mergeScopes joins the actions of one resource', () => {
  expect(mergeScopes(['repository:a:pull', 'repository:b:pull', 'repository:a:pull,push', ''])).toEqual([
    'repository:a:pull,push',
    'repository:b:pull',
  ]);
});
