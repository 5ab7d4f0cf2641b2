import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  readBool,
  readChoice,
  readCredentials,
  readDuration,
  readHost,
  readInteger,
  readPullPolicy,
  readSeconds,
  readSize,
  readSizeOrUnlimited,
  readSpan,
  readUlimit,
  splitCsv,
} from '../../../src/cli/values.ts';

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['1024', 1024],
    ['64m', 67108864],
    ['64M', 67108864],
    ['64MB', 67108864],
    ['64MiB', 67108864],
    ['1.5g', 1610612736],
    ['65536k', 67108864],
    ['2 t', 2199023255552],
    ['12b', 12],
  ])('%s', (text, bytes) => expect(readSize(text)).toBe(bytes));
  test.each(['', 'm', '-1', '1zz', '1e3', '0x10', '64 mm', '9999p', ' 1'])('%j is refused', (text) => {
    expect(() => readSize(text)).toThrow();
  });
  test('no limit', () => expect(readSizeOrUnlimited('-1')).toBe(-1));
});

describe('durations in milliseconds', () => {
  test.each([
    ['0', 0],
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['250ms', 250],
    ['1us', 0.001],
    ['-2m', -120_000],
    ['.5s', 500],
  ])('%s', (text, milliseconds) => expect(readDuration(text)).toBe(milliseconds));
  test.each(['', '5', '1d', 's', '1h 2m', '1.s2'])('%j is refused', (text) => {
    expect(() => readDuration(text)).toThrow('not a duration');
  });
});

describe('the rest', () => {
  test('booleans', () => {
    expect(['1', 't', 'TRUE'].map(readBool)).toEqual([true, true, true]);
    expect(['0', 'F', 'false'].map(readBool)).toEqual([false, false, false]);
    expect(() => readBool('yes')).toThrow('neither true nor false');
  });

  test('ulimits', () => {
    expect(readUlimit('nofile=1024:2048')).toEqual({ name: 'nofile', soft: 1024, hard: 2048 });
    expect(readUlimit('core=0')).toEqual({ name: 'core', soft: 0, hard: 0 });
    expect(readUlimit('nproc=unlimited')).toEqual({ name: 'nproc', soft: -1, hard: -1 });
    for (const wrong of ['nofile', 'nosuch=1', 'nofile=2:1', 'nofile=-1:5', 'nofile=a']) {
      expect(() => readUlimit(wrong)).toThrow();
    }
  });

  test('pairs', () => {
    expect(readHost('db:10.0.0.1')).toEqual(['db', '10.0.0.1']);
    expect(readHost('db:[::1]')).toEqual(['db', '::1']);
    expect(readHost('db:::1')).toEqual(['db', '::1']);
    expect(() => readHost('db')).toThrow('expected name:address');
    expect(readCredentials('u:p:q')).toEqual({ username: 'u', password: 'p:q' });
    expect(readCredentials('u')).toEqual({ username: 'u' });
    expect(() => readCredentials(':p')).toThrow();
  });

  test('words and numbers', () => {
    expect(readPullPolicy('ifnewer')).toBe('newer');
    expect(readPullPolicy('True')).toBe('always');
    expect(() => readPullPolicy('zz')).toThrow('expected one of');
    expect(readChoice('a', 'b')('b')).toBe('b');
    expect(() => readChoice('a', 'b')('c')).toThrow('expected one of a, b');
    expect(readSeconds('1700000000')).toBe(1700000000);
    expect(() => readSeconds('-1')).toThrow('before 1970');
    expect(() => readInteger('9007199254740993')).toThrow('not a whole number');
  });

  test('a stray quote in comma separated values', () => {
    expect(splitCsv('')).toEqual([]);
    expect(splitCsv('a,,b')).toEqual(['a', '', 'b']);
    expect(() => splitCsv('a"b')).toThrow('a quote is not where');
  });

  test('integers of any notation', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        const sign = number < 0 ? '-' : '';
        expect(readInteger(String(number))).toBe(number);
        expect(readInteger(`${sign}0x${Math.abs(number).toString(16)}`)).toBe(number);
      }),
    );
  });
});

test.each([
  ['0', 0],
  ['90s', 90_000],
  ['7d', 7 * 86_400_000],
  ['1d12h', 129_600_000],
])('a span of %s', (text, milliseconds) => expect(readSpan(text)).toBe(milliseconds));

test.each(['', 'd', '-1h', '7', '1h2d'])('%j is no span', (text) => {
  expect(() => readSpan(text)).toThrow();
});
