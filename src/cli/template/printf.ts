/** Go's Sprintf for the verbs that templates use. */
import { goFloat, goText, plainLeaf, quote } from './print.ts';
import { concrete, type Typed, typeName } from './types.ts';

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

const DIRECTIVE = /%([-+# 0]*)(\d*)(?:\.(\d*))?(.?)/gsu;

function padded(text: string, { flags, width }: Directive): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0')) return ' '.repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function cut(text: string, precision: number | undefined): string {
  return precision === undefined ? text : [...text].slice(0, precision).join('');
}

function wrong(verb: string, typed: Typed): string {
  return `%!${verb}(${typeName(typed.type)}=${plainLeaf(typed)})`;
}

function integerText(value: number, verb: string, flags: string): string {
  const base = { d: 10, b: 2, o: 8, x: 16, X: 16 }[verb] ?? 10;
  const digits = Math.abs(value).toString(base);
  const prefix = flags.includes('#') ? ({ x: '0x', X: '0X', o: '0', b: '0b' }[verb] ?? '') : '';
  const sign = value < 0 ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  return sign + prefix + (verb === 'X' ? digits.toUpperCase() : digits);
}

function floatText(value: number, { verb, precision, flags }: Directive): string {
  const sign = flags.includes('+') && value >= 0 ? '+' : '';
  if (verb === 'f' || verb === 'F') return sign + value.toFixed(precision ?? 6);
  if (verb === 'e') return sign + value.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, 'e$10$2');
  return (
    sign + (precision === undefined ? goFloat(value) : goFloat(Number(value.toPrecision(precision || 1))))
  );
}

function leafWith(directive: Directive): (typed: Typed) => string {
  const { verb, flags, precision } = directive;
  return (typed) => {
    const { type, value } = typed;
    if (verb === 'v') return plainLeaf(typed);
    if (type === 'string' || (type === 'time' && (verb === 's' || verb === 'q'))) {
      const text = type === 'time' ? plainLeaf(typed) : String(value ?? '');
      if (verb === 's') return cut(text, precision);
      if (verb === 'q')
        return flags.includes('#') && !text.includes('`') ? `\`${text}\`` : quote(cut(text, precision));
      if (verb !== 'x' && verb !== 'X') return wrong(verb, typed);
      const hex = Buffer.from(text).toString('hex');
      return verb === 'X' ? hex.toUpperCase() : hex;
    }
    if (type === 'duration' && verb === 's') return plainLeaf(typed);
    if (type === 'bool') return verb === 't' ? plainLeaf(typed) : wrong(verb, typed);
    if (type === 'int' || type === 'duration') {
      const number = Number(value ?? 0);
      if ('dbxXo'.includes(verb)) return integerText(number, verb, flags);
      if (verb === 'c') return String.fromCodePoint(number);
      if (verb === 'q') return `'${String.fromCodePoint(number)}'`;
    }
    if (type === 'float64' && 'fFeg'.includes(verb)) return floatText(Number(value ?? 0), directive);
    return wrong(verb, typed);
  };
}

function one(directive: Directive, typed: Typed): string {
  const { verb, flags } = directive;
  if (verb === 'T') return typeName(concrete(typed).type);
  const leaf = leafWith(directive);
  const names = verb === 'v' && flags.includes('+');
  const shown = concrete(typed);
  if (shown.type === 'any') return verb === 'v' ? '<nil>' : `%!${verb}(<nil>)`;
  return goText(shown, verb === 'v' ? { names } : { leaf });
}

/** The text; like Go, what does not fit is told inside it (`%!d(string=hi)`). */
export function sprintf(format: string, args: readonly Typed[]): string {
  let next = 0;
  const text = format.replace(DIRECTIVE, (_, flags: string, width: string, precision?: string, verb = '') => {
    if (verb === '%') return '%';
    if (verb === '') return '%!(NOVERB)';
    const typed = args[next];
    next += 1;
    if (!typed) return `%!${verb}(MISSING)`;
    const digits = precision === undefined ? undefined : Number(precision);
    const directive = { flags, width: Number(width), precision: digits, verb };
    if (!'vsqdxXobtcfFegT'.includes(verb)) return wrong(verb, concrete(typed));
    return padded(one(directive, typed), directive);
  });
  if (next >= args.length) return text;
  const extra = args.slice(next).map((typed) => `${typeName(concrete(typed).type)}=${goText(typed)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

/** Go's Sprint: a space between operands when neither is a string. */
export function sprint(args: readonly Typed[]): string {
  return args
    .map((typed, index) => {
      const before = args[index - 1];
      const isText = (at: Typed | undefined) => at !== undefined && concrete(at).type === 'string';
      const gap = before && !isText(before) && !isText(typed) ? ' ' : '';
      return gap + goText(typed);
    })
    .join('');
}

export function sprintln(args: readonly Typed[]): string {
  return `${args.map((typed) => goText(typed)).join(' ')}\n`;
}
