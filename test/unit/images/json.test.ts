import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeJson, MAX_DOCUMENT, parseJson } from '../../../src/images/json.ts';

const parse = (text: string) => parseJson(Buffer.from(text), 'doc');

describe('parseJson', () => {
  test('agrees with JSON.parse on whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(JSON.stringify(parse(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  test('accepts nothing that JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[[\]{}",:0-9eE.+\-truefalsn \\u]{0,12}$/), (text) => {
        let ours: unknown;
        try {
          ours = parse(text);
        } catch {
          return;
        }
        expect(JSON.stringify(ours)).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['a key twice', '{"a":1,"a":2}', /"a" appears twice/],
    ['a key twice by an escape', '{"a":1,"\\u0061":2}', /"a" appears twice/],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', /appears twice/],
    ['a byte order mark', '\ufeff{}', /malformed/],
    ['something after it', '{} {}', /follows/],
    ['a trailing comma', '[1,]', /malformed/],
    ['a raw newline in a string', '"a\nb"', /malformed/],
    ['nothing', '', /malformed/],
    ['a truncated object', '{"a":', /malformed/],
    ['deep nesting', '['.repeat(100_000), /deeper than 64/],
    ['a leading zero', '01', /follows/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  test('refuses bytes that are no UTF-8, and documents over 4 MiB', () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), 'doc')).toThrow(/not valid UTF-8/);
    expect(() => parseJson(Buffer.alloc(MAX_DOCUMENT + 1, 0x20), 'doc')).toThrow(
      expect.objectContaining({ code: 'E_LIMIT' }),
    );
  });

  test('keeps the keys of prototypes as data', () => {
    const text = '{"__proto__":{"x":1},"constructor":"c","toString":"t"}';
    const value = parse(text);
    expect(Object.getPrototypeOf(value)).toBe(null);
    expect(encodeJson(value).toString()).toBe(text);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('encodeJson', () => {
  test('writes the named keys first, the others by their bytes, integers too', () => {
    const value = {
      z: 1,
      '10': 1,
      '9': 1,
      '\u{1f600}': 1,
      '\uffff': 1,
      size: 2,
      mediaType: 'm',
      gone: undefined,
    };
    expect(encodeJson(value, { mediaType: null, size: null }).toString()).toBe(
      '{"mediaType":"m","size":2,"10":1,"9":1,"z":1,"\uffff":1,"\u{1f600}":1}',
    );
  });

  test('is read back as the same, and does not depend on the order of insertion', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
        const bytes = encodeJson(value);
        expect(encodeJson(parseJson(bytes, 'doc'))).toEqual(bytes);
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(encodeJson(reversed)).toEqual(bytes);
      }),
    );
  });
});
