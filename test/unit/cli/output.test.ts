import { closeSync, openSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { BldError } from '../../../src/base/errors.ts';
import { exitCodeOf, failureText } from '../../../src/cli/failure.ts';
import { goJson, plainJson } from '../../../src/cli/json.ts';
import { failTogether } from '../../../src/cli/many.ts';
import { json, lines, OutputClosed, render, text, writeAll } from '../../../src/cli/output.ts';
import { alignTabs, renderTable } from '../../../src/cli/table.ts';
import { humanAge, humanSize, humanSpan, shortSpan } from '../../../src/cli/units.ts';

describe('results', () => {
  test.each([
    [undefined, ''],
    [lines(['a', 'b']), 'a\nb\n'],
    [lines([]), ''],
    [text('no newline'), 'no newline'],
    [
      json({ a: '<x>', b: [1, {}], c: [] }),
      '{\n    "a": "\\u003cx\\u003e",\n    "b": [\n        1,\n        {}\n    ],\n    "c": []\n}\n',
    ],
  ])('%j', (outcome, expected) => expect(render(outcome)).toBe(expected));

  test("JSON's members stand in Go's order", () => {
    expect(plainJson({ b: 1, a: 2 })).toBe('{"b":1,"a":2}');
    expect(plainJson({ '80': {}, '53/udp': {} })).toBe('{"53/udp":{},"80":{}}');
    expect(plainJson({ a: undefined, b: null, c: new Date(0) })).toBe(
      '{"b":null,"c":"1970-01-01T00:00:00.000Z"}',
    );
    const value = { a: [1, 'x', { b: [] }], c: {} };
    expect(goJson(value, 2)).toBe(JSON.stringify(value, undefined, 2));
  });

  test('nobody reads', () => {
    const fd = openSync('/dev/full', 'w');
    try {
      expect(() => writeAll(fd, 'x')).toThrow('ENOSPC');
    } finally {
      closeSync(fd);
    }
    expect(new OutputClosed()).toBeInstanceOf(Error);
  });
});

describe('failures', () => {
  const style = { format: 'text', debug: false } as const;
  test('sentence, then the way out', () => {
    const error = new BldError('E_USAGE', 'bad \x1b[31mword', { hint: 'try another' });
    expect(failureText(error, style)).toBe('Error: bad \\x1b[31mword\nhint: try another\n');
    expect(exitCodeOf(error)).toBe(125);
    expect(exitCodeOf(new BldError('E_RUN', 'x', { exitCode: 3 }))).toBe(3);
  });

  test('system errors are explained', () => {
    let error: unknown;
    try {
      readFileSync('/nonexistent/file');
    } catch (caught) {
      error = caught;
    }
    expect(JSON.parse(failureText(error, { format: 'json', debug: false }))).toMatchObject({
      code: 'E_NOT_FOUND',
    });
  });

  test('defects say that they are', () => {
    const shown = failureText(new TypeError('x is not a function'), style);
    expect(shown).toMatch(/^Error: internal: x is not a function\nhint: this is a defect of bld/);
    expect(shown).not.toContain('\n    at ');
    expect(failureText(new TypeError('x'), { ...style, debug: true })).toContain('output.test.ts');
    expect(exitCodeOf(new Error('x'))).toBe(125);
  });

  test('several at once', async () => {
    const done: string[] = [];
    const work = (name: string) => {
      done.push(name);
      if (name.startsWith('bad')) throw new BldError('E_NOT_FOUND', `${name}: image not known`);
    };
    await expect(failTogether(['bad1', 'good', 'bad2'], work)).rejects.toThrow(
      '2 errors occurred:\n\t* bad1: image not known\n\t* bad2: image not known',
    );
    expect(done).toEqual(['bad1', 'good', 'bad2']);
    await expect(failTogether(['bad'], work)).rejects.toThrow('1 error occurred:\n\t* bad: image not known');
    await failTogether(['good'], work);
  });
});

describe('columns', () => {
  test.each([
    ['a\tb\nccc\td\n', 'a     b\nccc   d\n'],
    ['a\tb\tc\n', 'a   b   c\n'],
    ['a\tb\n\nccc\td\n', 'a   b\n\nccc   d\n'],
    ['a\t\tb\n', 'a      b\n'],
    ['plain\n', 'plain\n'],
    ['ä\tx\nab\ty\n', 'ä    x\nab   y\n'],
  ])('%j', (tabs, aligned) => expect(alignTabs(tabs, 3)).toBe(aligned));

  test('a table', () => {
    expect(
      renderTable([
        ['ID', 'NAME'],
        ['1234', 'x'],
        ['1', 'longer'],
      ]),
    ).toBe('ID     NAME\n1234   x\n1      longer\n');
  });
});

describe('numbers for people', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 KB'],
    [2414, '2.41 KB'],
    [2_132_480, '2.13 MB'],
    [172_000_000, '172 MB'],
    [1_500_000_000, '1.5 GB'],
  ])('%i bytes', (bytes, shown) => expect(humanSize(bytes)).toBe(shown));

  // as Buildah 1.43 shows images of these ages in seconds
  test.each([
    [33, '33 seconds'],
    [75, 'About a minute'],
    [2700, '45 minutes'],
    [3700, 'About an hour'],
    [5500, '2 hours'],
    [100_000, '28 hours'],
    [180_000, '2 days'],
    [700_000, '8 days'],
    [1_300_000, '2 weeks'],
    [3_000_000, '4 weeks'],
    [9_000_000, '3 months'],
    [70_000_000, '2 years'],
  ])('%i seconds', (seconds, shown) => {
    expect(humanSpan(seconds * 1000)).toBe(shown);
    expect(humanAge(1000, 1000 + seconds * 1000)).toBe(`${shown} ago`);
  });

  test('from the future', () => expect(humanAge(5000, 0)).toBe('Less than a second ago'));
  test('short', () => expect([400, 12_000, 185_000].map(shortSpan)).toEqual(['0.4s', '12s', '3m05s']));
});

afterEach(() => vi.useRealTimers());
