import { BldError } from '../base/errors.ts';

/** What `parseJson` returns; objects have no prototype, so that `__proto__` and `constructor` are plain data. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Cap of a manifest, index or config (distribution-spec asks registries to take 4 MiB). Bytes. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;
const MAX_DEPTH = 64;

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const BLANK = /[ \t\n\r]*/y;

/**
 * Strict reading of a JSON document from outside, RFC 8259 without its liberties: valid UTF-8, no byte order mark,
 * nothing after the value, no key twice in an object, at most 64 levels. E_INTEGRITY, or E_LIMIT beyond 4 MiB.
 */
export function parseJson(bytes: Uint8Array, what: string): Json {
  if (bytes.length > MAX_DOCUMENT)
    throw new BldError('E_LIMIT', `${what} is larger than ${MAX_DOCUMENT} bytes`);
  const text = decodeUtf8(bytes, what);
  let at = 0;

  function fail(problem: string): never {
    throw new BldError('E_INTEGRITY', `${what}: ${problem} at byte ${Buffer.byteLength(text.slice(0, at))}`);
  }
  /** The text that `pattern` (sticky) matches here, or undefined; moves behind it. */
  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  }
  function literal<T extends Json>(word: string, value: T): T {
    if (!text.startsWith(word, at)) fail('malformed JSON');
    at += word.length;
    return value;
  }
  function string(): string {
    return JSON.parse(take(STRING) ?? fail('malformed JSON string')) as string;
  }
  /** After an item: true at a comma, false at `end`. */
  function more(end: string): boolean {
    take(BLANK);
    const c = text[at];
    if (c !== ',' && c !== end) fail('malformed JSON');
    at++;
    return c === ',';
  }
  /** Steps into `[` or `{`; true when `end` follows at once. */
  function opens(end: string): boolean {
    at++;
    take(BLANK);
    if (text[at] !== end) return false;
    at++;
    return true;
  }
  function array(depth: number): Json[] {
    const items: Json[] = [];
    if (opens(']')) return items;
    do items.push(value(depth));
    while (more(']'));
    return items;
  }
  function object(depth: number): { [key: string]: Json } {
    const members: { [key: string]: Json } = Object.create(null);
    if (opens('}')) return members;
    do {
      take(BLANK);
      const key = string();
      if (key in members) fail(`the key ${JSON.stringify(key)} appears twice`);
      take(BLANK);
      if (text[at] !== ':') fail('malformed JSON');
      at++;
      members[key] = value(depth);
    } while (more('}'));
    return members;
  }
  function value(depth: number): Json {
    if (depth > MAX_DEPTH) fail(`JSON nested deeper than ${MAX_DEPTH} levels`);
    take(BLANK);
    switch (text[at]) {
      case '{':
        return object(depth + 1);
      case '[':
        return array(depth + 1);
      case '"':
        return string();
      case 't':
        return literal('true', true);
      case 'f':
        return literal('false', false);
      case 'n':
        return literal('null', null);
      default:
        return Number(take(NUMBER) ?? fail('malformed JSON'));
    }
  }

  const result = value(0);
  take(BLANK);
  if (at !== text.length) fail('something follows the JSON value');
  return result;
}

function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    // ignoreBOM keeps the mark in the text, where it is then refused as malformed JSON
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new BldError('E_INTEGRITY', `${what} is not valid UTF-8`, { cause });
  }
}

/** Order of an object's keys when it is written; `null`: the value is a map or a scalar. Arrays pass theirs to the items. */
export interface KeyOrder {
  readonly [key: string]: KeyOrder | null;
}

/**
 * The document's bytes, the same for the same content: keys in `order`, all others after them by their code points;
 * no blanks; absent (`undefined`) members left out.
 */
export function encodeJson(value: unknown, order: KeyOrder | null = null): Buffer {
  return Buffer.from(written(value, order));
}

function written(value: unknown, order: KeyOrder | null): string {
  if (Array.isArray(value)) return `[${value.map((item) => written(item, order)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const known = order === null ? [] : Object.keys(order);
  const rank = (key: string) => {
    const at = known.indexOf(key);
    return at < 0 ? known.length : at;
  };
  members.sort(([a], [b]) => rank(a) - rank(b) || compareCodePoints(a, b));
  return `{${members
    .map(
      ([key, member]) =>
        `${JSON.stringify(key)}:${written(member, rank(key) < known.length ? (order?.[key] ?? null) : null)}`,
    )
    .join(',')}}`;
}

/** By UTF-8 bytes, which is the order of code points: as Go sorts the keys of its maps. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
