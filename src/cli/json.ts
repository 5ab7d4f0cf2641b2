/** JavaScript puts keys that look like numbers first; Go's maps are sorted. */
function keysOf(object: object): readonly string[] {
  const keys = Object.keys(object);
  return keys.some((key) => /^\d+$/.test(key)) ? keys.sort() : keys;
}

function encode(value: unknown, gap: string, margin: string): string {
  const plain = value instanceof Date ? value.toISOString() : value;
  if (typeof plain !== 'object' || plain === null) return JSON.stringify(plain) ?? 'null';
  const inner = margin + gap;
  const isList = Array.isArray(plain);
  const parts = isList
    ? plain.map((item) => encode(item, gap, inner))
    : keysOf(plain).flatMap((key) => {
        const item = (plain as Readonly<Record<string, unknown>>)[key];
        if (item === undefined) return [];
        return [`${JSON.stringify(key)}:${gap && ' '}${encode(item, gap, inner)}`];
      });
  const [open, close] = isList ? '[]' : '{}';
  if (parts.length === 0) return `${open}${close}`;
  const line = gap && `\n${inner}`;
  return `${open}${line}${parts.join(`,${line}`)}${gap && `\n${margin}`}${close}`;
}

/** JSON with members in the order of Go's encoder. */
export function plainJson(value: unknown, indent = 0): string {
  return encode(value, ' '.repeat(indent), '');
}

/** The same, with `<`, `>`, `&` and line separators as escapes, as Go's encoder writes documents. */
export function goJson(value: unknown, indent = 0): string {
  return plainJson(value, indent).replace(/[<>&\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
