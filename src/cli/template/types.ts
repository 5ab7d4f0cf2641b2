/**
 * Go's view of plain values. Templates ask for fields by Go's names, print structs in the order of their fields, and
 * name types in errors; JSON tells none of that, so data comes with a `Type`.
 */

export interface StructField {
  /** The name that templates use. */
  readonly name: string;
  /** The property that holds it; the field's name when absent. */
  readonly key?: string;
  readonly type: Type;
  /** An embedded struct: its fields are reached without its name, and are properties of the same object. */
  readonly embedded?: boolean;
}

export interface StructType {
  readonly kind: 'struct';
  readonly name: string;
  readonly fields: readonly StructField[];
}

export type Type =
  | 'string'
  | 'bool'
  | 'int'
  | 'float64'
  /** RFC 3339 text, or a Date. */
  | 'time'
  /** Nanoseconds. */
  | 'duration'
  /** Whatever the value turns out to be: JSON. */
  | 'any'
  | { readonly kind: 'slice'; readonly of: Type }
  | { readonly kind: 'map'; readonly of: Type }
  | { readonly kind: 'pointer'; readonly to: Type }
  | StructType;

/** A value and what Go would call it. */
export interface Typed {
  readonly type: Type;
  readonly value: unknown;
}

/** What a key that a map lacks gives: printed as `<no value>`. */
export const NO_VALUE: Typed = { type: 'any', value: Symbol('no value') };
export const NIL: Typed = { type: 'any', value: null };

export function slice(of: Type): Type {
  return { kind: 'slice', of };
}

export function mapOf(of: Type): Type {
  return { kind: 'map', of };
}

export function pointer(to: Type): Type {
  return { kind: 'pointer', to };
}

/** Fields as `Name: type`, or `Name: [key, type]` where the property is called otherwise. */
export function struct(
  name: string,
  fields: Readonly<Record<string, Type | readonly [key: string, type: Type]>>,
): StructType {
  const list = Object.entries(fields).map(([field, of]): StructField => {
    return Array.isArray(of) ? { name: field, key: of[0], type: of[1] } : { name: field, type: of as Type };
  });
  return { kind: 'struct', name, fields: list };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** `any` replaced by what the value shows. */
export function concrete({ type, value }: Typed): Typed {
  if (type !== 'any') return { type, value };
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'number') return { type: Number.isInteger(value) ? 'int' : 'float64', value };
  if (value instanceof Date) return { type: 'time', value };
  if (Array.isArray(value)) return { type: slice('any'), value };
  if (isRecord(value)) return { type: mapOf('any'), value };
  return { type, value };
}

/** The value behind pointers; itself when a pointer is nil. */
export function indirect(typed: Typed): Typed {
  let at = concrete(typed);
  while (
    typeof at.type === 'object' &&
    at.type.kind === 'pointer' &&
    at.value !== null &&
    at.value !== undefined
  ) {
    at = concrete({ type: at.type.to, value: at.value });
  }
  return at;
}

const NAMES: Readonly<Record<string, string>> = {
  time: 'time.Time',
  duration: 'time.Duration',
  any: 'interface {}',
};

export function typeName(type: Type): string {
  if (typeof type === 'string') return NAMES[type] ?? type;
  switch (type.kind) {
    case 'slice':
      return `[]${typeName(type.of)}`;
    case 'map':
      return `map[string]${typeName(type.of)}`;
    case 'pointer':
      return `*${typeName(type.to)}`;
    case 'struct':
      return type.name;
  }
}

export function items({ value }: Typed): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A map's keys in Go's printing order. */
export function sortedKeys({ value }: Typed): readonly string[] {
  return isRecord(value)
    ? Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    : [];
}

/** A struct's field by Go name, also one of an embedded struct; undefined when there is none. */
export function fieldOf(type: StructType, value: unknown, name: string): Typed | undefined {
  const record = isRecord(value) ? value : {};
  for (const field of type.fields) {
    const inner = field.embedded ? record : record[field.key ?? field.name];
    if (field.name === name) return { type: field.type, value: inner };
  }
  for (const field of type.fields) {
    if (!field.embedded || typeof field.type !== 'object' || field.type.kind !== 'struct') continue;
    const found = fieldOf(field.type, record, name);
    if (found) return found;
  }
  return undefined;
}

/** Go's truth: not zero, not empty, not nil. */
export function isTrue(typed: Typed): boolean {
  const { type, value } = concrete(typed);
  if (typed === NO_VALUE || value === null) return false;
  if (type === 'time') return true;
  if (typeof type === 'object' && type.kind === 'struct') return true;
  if (typeof type === 'object' && type.kind === 'pointer') return value !== undefined;
  if (Array.isArray(value)) return value.length > 0;
  if (isRecord(value)) return Object.keys(value).length > 0;
  return Boolean(value) && typeof value !== 'symbol';
}

export function isNumber(type: Type): boolean {
  return type === 'int' || type === 'float64' || type === 'duration';
}
