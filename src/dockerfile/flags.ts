import { didYouMean } from '../base/suggest.ts';
import { isSpace } from './characters.ts';
import { Complaint } from './errors.ts';
import { instructionsWith } from './flag-table.ts';

/** The `--flags` in front of an instruction's arguments, unquoted, and the text after them. */
export interface FlagSplit {
  readonly flags: readonly string[];
  readonly rest: string;
}

/** Flags end at the first word that does not start with `--`, or after a lone `--`. */
export function splitFlags(text: string): FlagSplit {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at) };
    const word = readWord(text, at);
    at = word.end;
    if (word.text === '--') return { flags, rest: text.slice(at) };
    flags.push(word.text);
  }
}

/** One word: quotes group and go; a backslash (whatever the file's escape token) keeps the next character. */
function readWord(text: string, from: number): { readonly text: string; readonly end: number } {
  let word = '';
  let quote = '';
  let at = from;
  for (; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '' && isSpace(character)) break;
    if (character === '\\') {
      at++;
      word += text.charAt(at);
    } else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
    else word += character;
  }
  return { text: word, end: at };
}

/** What a flag takes: a value once, values any number of times, or true/false (true when it stands alone). */
export type FlagKind = 'text' | 'list' | 'bool';

export interface FlagValues {
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  bool(name: string): boolean | undefined;
}

/** Reads flags against what an instruction (`keyword`) knows; throws a Complaint that names both. */
export function readFlags(
  keyword: string,
  flags: readonly string[],
  known: Readonly<Record<string, FlagKind>>,
): FlagValues {
  const values = new Map<string, string[]>();
  for (const flag of flags) {
    const equals = flag.indexOf('=');
    const name = equals < 0 ? flag.slice(2) : flag.slice(2, equals);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    const near = `--${name}`;
    if (kind === undefined) {
      const names = Object.keys(known).map((one) => `--${one}`);
      const others = instructionsWith(name);
      throw new Complaint(`${keyword} has no flag ${near}${didYouMean(near, names)}`, {
        near,
        ...(others.length > 0 && { hint: `it is a flag of ${others.join(' and ')}` }),
      });
    }
    const earlier = values.get(name) ?? [];
    if (earlier.length > 0 && kind !== 'list')
      throw new Complaint(`duplicate flag specified: --${name}`, { near });
    if (equals < 0 && kind !== 'bool') throw new Complaint(`missing a value on flag: --${name}`, { near });
    const value = equals < 0 ? 'true' : flag.slice(equals + 1);
    if (kind === 'bool' && !/^(?:true|false)$/i.test(value)) {
      throw new Complaint(`expecting boolean value for flag --${name}, not: ${value}`, { near });
    }
    values.set(name, [...earlier, value]);
  }
  return {
    text: (name) => values.get(name)?.[0],
    list: (name) => values.get(name) ?? [],
    bool: (name) => {
      const value = values.get(name)?.[0];
      return value === undefined ? undefined : value.toLowerCase() === 'true';
    },
  };
}
