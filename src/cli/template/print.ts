/** Go's fmt: `%v` and its kin for typed values. */
import { goDuration, goTime } from './time.ts';
import {
  concrete,
  fieldOf,
  indirect,
  items,
  NO_VALUE,
  type StructType,
  sortedKeys,
  type Typed,
  typeName,
} from './types.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** Go's strconv.Quote. */
export function quote(text: string): string {
  const escaped = text.replace(/["\\\p{C}\u2028\u2029]/gu, (char) => {
    const known = ESCAPES[char];
    if (known !== undefined) return known;
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}

/** A float as `%v` has it: the shortest digits, with an exponent below 1e-4 and from 1e6 on. */
export function goFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

export interface Style {
  /** Field names in structs (`%+v`). */
  readonly names?: boolean;
  /** How a leaf is shown; `%v` when absent. */
  readonly leaf?: (typed: Typed) => string;
}

function leafText({ type, value }: Typed): string {
  switch (type) {
    case 'time':
      return goTime(value);
    case 'duration':
      return goDuration(Number(value ?? 0));
    case 'float64':
      return goFloat(Number(value ?? 0));
    case 'bool':
      return String(value === true);
    case 'int':
      return String(value ?? 0);
    default:
      return typeof value === 'string' ? value : value === null || value === undefined ? '' : String(value);
  }
}

function structText(type: StructType, value: unknown, style: Style): string {
  const fields = type.fields.map((field) => {
    const inner = fieldOf(type, value, field.name) ?? { type: field.type, value: undefined };
    const shown = goText(inner, style, true);
    return style.names ? `${field.name}:${shown}` : shown;
  });
  return `{${fields.join(' ')}}`;
}

/** The value as `%v` prints it; `nested` pointers are addresses, which nobody can use. */
export function goText(typed: Typed, style: Style = {}, nested = false): string {
  if (typed === NO_VALUE) return '<no value>';
  const { type, value } = concrete(typed);
  if (typeof type === 'string') {
    if (type === 'any') return '<nil>';
    return (style.leaf ?? leafText)({ type, value });
  }
  switch (type.kind) {
    case 'slice':
      return `[${items({ type, value })
        .map((item) => goText({ type: type.of, value: item }, style, true))
        .join(' ')}]`;
    case 'map': {
      const record = value as Readonly<Record<string, unknown>>;
      const pairs = sortedKeys({ type, value }).map((key) => {
        const shown = style.leaf ? style.leaf({ type: 'string', value: key }) : key;
        return `${shown}:${goText({ type: type.of, value: record[key] }, style, true)}`;
      });
      return `map[${pairs.join(' ')}]`;
    }
    case 'pointer':
      if (value === null || value === undefined) return '<nil>';
      if (type.to === 'time' || type.to === 'duration') return goText({ type: type.to, value }, style);
      return nested ? '0xc000000000' : `&${goText({ type: type.to, value }, style)}`;
    case 'struct':
      return structText(type, value, style);
  }
}

/** What an action prints: like `%v`, with one pointer followed. */
export function printed(typed: Typed): string {
  return goText(typed === NO_VALUE ? typed : indirect(typed));
}

/** `%v`'s text of a leaf. */
export const plainLeaf = leafText;

/** The text in a "can't do that with it" error. */
export function shownType(typed: Typed): string {
  return typeName(concrete(typed).type);
}
