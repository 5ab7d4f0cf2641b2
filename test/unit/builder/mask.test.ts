import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openMasker } from '../../../src/builder/mask.ts';
import { needlesOf, Search } from '../../../src/builder/needles.ts';

function masked(secrets: readonly string[], chunks: readonly string[]): string {
  const needles = secrets.flatMap((secret, index) => needlesOf(String(index), Buffer.from(secret)));
  const masker = openMasker(needles);
  const out = chunks.map((chunk) => masker.push(Buffer.from(chunk, 'latin1')).toString('latin1'));
  return out.join('') + masker.end().toString('latin1');
}

function found(secret: string, chunks: readonly string[]): boolean {
  const search = new Search(needlesOf('s', Buffer.from(secret)));
  for (const chunk of chunks) search.add(Buffer.from(chunk, 'latin1'));
  return search.found.has('s');
}

const SECRET = 'hunter2-and-more';

describe('a masker', () => {
  test('hides a secret, also in pieces, and nothing else', () => {
    expect(masked([`${SECRET}\n`], [`a ${SECRET} b`])).toBe('a *** b');
    expect(masked([SECRET], ['x hun', 'ter2-and', '-more y'])).toBe('x *** y');
    expect(masked([SECRET], ['hunter', ' gatherer, hunt'])).toBe('hunter gatherer, hunt');
    expect(masked([], ['as it is'])).toBe('as it is');
    expect(masked(['abc'], ['too short: abc'])).toBe('too short: abc');
  });

  test('hides the longer one of two that begin alike', () => {
    expect(masked(['token', 'token-longer'], ['token', '-longer token-', 'short'])).toBe('*** ***-short');
  });

  test('hides base64 of it, and lines of a key', () => {
    const encoded = Buffer.from(SECRET).toString('base64');
    expect(masked([SECRET], [encoded])).not.toContain(encoded.slice(0, 12));
    const key = `-----BEGIN KEY-----\n${'k'.repeat(64)}\n${'l'.repeat(64)}\n-----END KEY-----\n`;
    expect(masked([key], [`> ${'k'.repeat(64)}\r\n> ${'l'.repeat(64)}`])).toBe('> ***\r\n> ***');
  });

  test('gives the same for any chunks', () => {
    const text = fc.array(fc.constantFrom('hunter2-and-more', 'hunter2', '-and-', 'h', 'more', ' ', '\n'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(text, fc.array(fc.nat(20), { maxLength: 12 }), (words, cuts) => {
        const whole = words.join('');
        const chunks: string[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(whole.slice(at, at + cut));
          at += cut;
        }
        chunks.push(whole.slice(at));
        expect(masked([SECRET], chunks)).toBe(whole.replaceAll(SECRET, '***'));
      }),
    );
  });
});

describe('a search', () => {
  test('finds a secret as it is and in base64, wherever it begins there, over chunks', () => {
    expect(found(SECRET, [`..${SECRET}..`])).toBe(true);
    expect(found(SECRET, ['..hunter2', '-and', '-more..'])).toBe(true);
    for (const before of ['', 'u', 'us', 'usr', 'user:'])
      expect(found(SECRET, [Buffer.from(`${before}${SECRET}\n`).toString('base64')])).toBe(true);
    expect(found(SECRET, ['hunter2-and-mor', 'hunter2-and-moze'])).toBe(false);
    expect(found('short', ['short'])).toBe(false);
  });

  test('finds a long key in base64 that is broken into lines, and no other key of its kind', () => {
    const key = (fill: string) =>
      `-----BEGIN PRIVATE KEY-----\n${fill.repeat(400)}\n-----END PRIVATE KEY-----\n`;
    const lines = (text: string) => Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n');
    expect(found(key('aZ3'), [lines(key('aZ3'))])).toBe(true);
    expect(found(key('aZ3'), [lines(key('bY4'))])).toBe(false);
  });
});
