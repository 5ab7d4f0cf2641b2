/** What templates can call: Go's own functions and those of Buildah's and Docker's `--format`. */
import { plainJson } from '../json.ts';
import { goText } from './print.ts';
import { sprint, sprintf, sprintln } from './printf.ts';
import {
  concrete,
  indirect,
  isNumber,
  isRecord,
  isTrue,
  items,
  NIL,
  NO_VALUE,
  slice,
  sortedKeys,
  type Typed,
  typeName,
} from './types.ts';

/** A call that cannot be done. */
export class TemplateFault extends Error {}

/** An argument of the wrong type: told at its own place. */
export class ArgumentFault extends Error {
  readonly typed: Typed;
  readonly want: string;
  constructor(typed: Typed, want: string) {
    super(`expected ${want}`);
    this.typed = typed;
    this.want = want;
  }
}

export interface TemplateFunction {
  readonly min: number;
  readonly max: number;
  readonly call: (args: readonly Typed[]) => Typed;
}

export type Functions = ReadonlyMap<string, TemplateFunction>;

const MANY = Number.POSITIVE_INFINITY;

const ofText = (value: string): Typed => ({ type: 'string', value });
const ofBool = (value: boolean): Typed => ({ type: 'bool', value });

function wanted(typed: Typed, want: string): never {
  throw new ArgumentFault(typed, want);
}

function textOf(typed: Typed | undefined): string {
  const { type, value } = typed ? indirect(typed) : NIL;
  return type === 'string' ? String(value ?? '') : wanted(typed ?? NIL, 'string');
}

function intOf(typed: Typed | undefined): number {
  const { type, value } = typed ? indirect(typed) : NIL;
  return type === 'int' ? Number(value ?? 0) : wanted(typed ?? NIL, 'int');
}

function lengthOf(typed: Typed | undefined): Typed {
  const at = indirect(typed ?? NIL);
  const { type, value } = at;
  if (type === 'string') return { type: 'int', value: Buffer.byteLength(String(value ?? '')) };
  if (typeof type === 'object' && type.kind === 'slice') return { type: 'int', value: items(at).length };
  if (typeof type === 'object' && type.kind === 'map') return { type: 'int', value: sortedKeys(at).length };
  throw new TemplateFault(type === 'any' ? 'len of nil pointer' : `len of type ${typeName(type)}`);
}

function at(container: Typed, key: Typed): Typed {
  const whole = indirect(container);
  const { type, value } = whole;
  if (typeof type === 'object' && type.kind === 'map') {
    const name = indirect(key);
    if (name.type !== 'string') {
      throw new TemplateFault(`value has type ${typeName(name.type)}; should be string`);
    }
    const known = isRecord(value) && Object.hasOwn(value, String(name.value));
    return known ? { type: type.of, value: value[String(name.value)] } : { type: type.of, value: undefined };
  }
  const isSlice = typeof type === 'object' && type.kind === 'slice';
  if (!isSlice && type !== 'string') {
    throw new TemplateFault(
      type === 'any' ? 'index of untyped nil' : `can't index item of type ${typeName(type)}`,
    );
  }
  const index = indirect(key);
  if (index.type !== 'int')
    throw new TemplateFault(`cannot index slice/array with type ${typeName(index.type)}`);
  const number = Number(index.value ?? 0);
  const list = isSlice ? items(whole) : [...Buffer.from(String(value ?? ''))];
  if (number < 0 || number >= list.length) throw new TemplateFault(`index out of range: ${number}`);
  return isSlice ? { type: type.of, value: list[number] } : { type: 'int', value: list[number] };
}

function sliceOf([whole, ...bounds]: readonly Typed[]): Typed {
  const list = indirect(whole ?? NIL);
  const { type, value } = list;
  const isText = type === 'string';
  if (!isText && !(typeof type === 'object' && type.kind === 'slice')) {
    throw new TemplateFault(`can't slice item of type ${typeName(type)}`);
  }
  const bytes = isText ? Buffer.from(String(value ?? '')) : items(list);
  const [from = 0, to = bytes.length] = bounds.map((bound) => intOf(bound));
  for (const bound of [from, to]) {
    if (bound < 0 || bound > bytes.length) throw new TemplateFault(`index out of range: ${bound}`);
  }
  if (from > to) throw new TemplateFault(`invalid slice index: ${from} > ${to}`);
  return {
    type,
    value: Buffer.isBuffer(bytes) ? bytes.subarray(from, to).toString() : bytes.slice(from, to),
  };
}

type Kind = 'bool' | 'string' | 'number' | 'time';

function basic(typed: Typed): { readonly kind: Kind | undefined; readonly value: unknown } {
  const { type, value } = indirect(typed);
  if (type === 'bool') return { kind: 'bool', value: value === true };
  if (type === 'string') return { kind: 'string', value: value ?? '' };
  if (isNumber(type)) return { kind: 'number', value: value ?? 0 };
  return { kind: type === 'time' ? 'time' : undefined, value: value ?? undefined };
}

function incompatible(a: Typed, b: Typed): TemplateFault {
  const [left, right] = [typeName(concrete(a).type), typeName(concrete(b).type)];
  return new TemplateFault(`incompatible types for comparison: ${left} and ${right}`);
}

function equal(a: Typed, b: Typed): boolean {
  const [left, right] = [basic(a), basic(b)];
  const nothing = (typed: Typed) => typed === NO_VALUE || concrete(typed).type === 'any';
  if (nothing(a) || nothing(b)) return nothing(a) === nothing(b) || (left.value ?? right.value) === undefined;
  if (left.kind === undefined)
    throw new TemplateFault(`non-comparable type ${goText(a)}: ${typeName(a.type)}`);
  if (left.kind !== right.kind) throw incompatible(a, b);
  return left.value === right.value;
}

function less(a: Typed, b: Typed): boolean {
  const [left, right] = [basic(a), basic(b)];
  if (left.kind === undefined || left.kind === 'bool' || left.kind === 'time') {
    throw new TemplateFault('invalid type for comparison');
  }
  if (left.kind !== right.kind) throw incompatible(a, b);
  if (left.kind === 'number') return Number(left.value) < Number(right.value);
  return Buffer.compare(Buffer.from(String(left.value)), Buffer.from(String(right.value))) < 0;
}

function compare(test: (a: Typed, b: Typed) => boolean): TemplateFunction {
  return { min: 2, max: 2, call: ([a = NIL, b = NIL]) => ofBool(test(a, b)) };
}

function title(words: string): string {
  return words.replace(
    /(^|[^\p{L}\p{Nd}_'])(\p{L})/gu,
    (_, gap: string, letter: string) => gap + letter.toUpperCase(),
  );
}

const entries: Readonly<Record<string, TemplateFunction>> = {
  // short-circuit: see exec.ts
  and: { min: 1, max: MANY, call: (args) => args.at(-1) ?? NIL },
  or: { min: 1, max: MANY, call: (args) => args.at(-1) ?? NIL },
  not: { min: 1, max: 1, call: ([value = NIL]) => ofBool(!isTrue(value)) },
  len: { min: 1, max: 1, call: ([value]) => lengthOf(value) },
  index: { min: 1, max: MANY, call: ([whole = NIL, ...keys]) => keys.reduce(at, whole) },
  slice: { min: 1, max: 4, call: sliceOf },
  print: { min: 0, max: MANY, call: (args) => ofText(sprint(args)) },
  println: { min: 0, max: MANY, call: (args) => ofText(sprintln(args)) },
  printf: { min: 1, max: MANY, call: ([format, ...args]) => ofText(sprintf(textOf(format), args)) },
  eq: {
    min: 1,
    max: MANY,
    call: ([first = NIL, ...others]) => {
      if (others.length === 0) throw new TemplateFault('missing argument for comparison');
      return ofBool(others.some((other) => equal(first, other)));
    },
  },
  ne: compare((a, b) => !equal(a, b)),
  lt: compare(less),
  le: compare((a, b) => less(a, b) || equal(a, b)),
  gt: compare((a, b) => !less(a, b) && !equal(a, b)),
  ge: compare((a, b) => !less(a, b)),
  json: {
    min: 1,
    max: 1,
    call: ([value = NIL]) => ofText(plainJson(value === NO_VALUE ? null : value.value)),
  },
  upper: { min: 1, max: 1, call: ([value]) => ofText(textOf(value).toUpperCase()) },
  lower: { min: 1, max: 1, call: ([value]) => ofText(textOf(value).toLowerCase()) },
  title: { min: 1, max: 1, call: ([value]) => ofText(title(textOf(value))) },
  join: {
    min: 2,
    max: 2,
    call: ([list = NIL, separator]) => {
      const whole = indirect(list);
      if (typeof whole.type !== 'object' || whole.type.kind !== 'slice') wanted(list, '[]string');
      return ofText(items(whole).map(String).join(textOf(separator)));
    },
  },
  split: {
    min: 2,
    max: 2,
    call: ([value, separator]) => ({ type: slice('string'), value: textOf(value).split(textOf(separator)) }),
  },
  pad: {
    min: 3,
    max: 3,
    call: ([value, before, after]) => {
      const text = textOf(value);
      return ofText(text === '' ? '' : ' '.repeat(intOf(before)) + text + ' '.repeat(intOf(after)));
    },
  },
  truncate: {
    min: 2,
    max: 2,
    call: ([value, size]) => ofText([...textOf(value)].slice(0, intOf(size)).join('')),
  },
};

export const templateFunctions: Functions = new Map(Object.entries(entries));
