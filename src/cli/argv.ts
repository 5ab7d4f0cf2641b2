/**
 * The command line as pflag reads it, so that Buildah's scripts move over: `--flag value`, `--flag=value`, `-fvalue`,
 * grouped shorts, `--flag=false`, flags with an optional value, repeated flags (lists and comma separated ones), global
 * flags anywhere, and commands whose flags end at the first argument.
 */
import { BldError } from '../base/errors.ts';
import { type Arguments, camel, type Flag, type Flags } from './spec.ts';
import { nearest } from './suggest.ts';
import { splitCsv } from './values.ts';

export interface Known {
  readonly name: string;
  readonly flag: Flag<unknown>;
}

/** Flags by the names they can be given with. */
export interface FlagTable {
  readonly long: ReadonlyMap<string, Known>;
  readonly short: ReadonlyMap<string, Known>;
}

/** What was given so far: flag name → value (lists grow). */
export type Given = Map<string, unknown>;

export interface ReadFlags {
  readonly args: readonly string[];
  readonly help: boolean;
}

export function usageError(message: string, hint?: string): BldError {
  return new BldError('E_USAGE', message, hint === undefined ? {} : { hint });
}

/** The table of several groups; where two know the same name, the earlier group has it. */
export function flagTable(...groups: readonly Flags[]): FlagTable {
  const long = new Map<string, Known>();
  const short = new Map<string, Known>();
  for (const group of groups) {
    for (const name in group) {
      const flag = group[name];
      if (!flag || long.has(name)) continue;
      const known = { name, flag };
      long.set(name, known);
      for (const alias of flag.aliases ?? []) if (!long.has(alias)) long.set(alias, known);
      if (flag.short !== undefined && !short.has(flag.short)) short.set(flag.short, known);
    }
  }
  return { long, short };
}

function shown({ name, flag }: Known): string {
  return flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
}

function store(given: Given, known: Known, text: string): void {
  const { flag, name } = known;
  if (text === '' && flag.skipsEmpty) return;
  try {
    if (flag.kind === 'csv' || flag.kind === 'list') {
      const items = (flag.kind === 'csv' ? splitCsv(text) : [text]).map((item) => flag.read(item));
      const before = given.get(name);
      given.set(name, Array.isArray(before) ? [...before, ...items] : items);
    } else {
      given.set(name, flag.read(text));
    }
  } catch (error) {
    if (!(error instanceof BldError)) throw error;
    throw usageError(`invalid argument "${text}" for "${shown(known)}" flag: ${error.message}`, error.hint);
  }
}

/** Where the reader stands: `at` is the next word. */
interface Cursor {
  readonly words: readonly string[];
  at: number;
}

function readLong(table: FlagTable, cursor: Cursor, given: Given): boolean {
  const word = cursor.words[cursor.at++] ?? '';
  const equals = word.indexOf('=');
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  if (name === '' || name.startsWith('-')) throw usageError(`bad flag syntax: ${word}`);
  const known = table.long.get(name);
  if (!known) {
    if (name === 'help') return true;
    const visible = [...table.long].filter(([, { flag }]) => !flag.hidden).map(([key]) => key);
    const near = nearest(name, visible);
    throw usageError(`unknown flag: --${name}`, near && `did you mean --${near}?`);
  }
  if (equals >= 0) store(given, known, word.slice(equals + 1));
  else if (known.flag.bare !== undefined) store(given, known, known.flag.bare);
  else if (cursor.at >= cursor.words.length) throw usageError(`flag needs an argument: --${name}`);
  else store(given, known, cursor.words[cursor.at++] ?? '');
  return false;
}

function readShorts(table: FlagTable, cursor: Cursor, given: Given): boolean {
  let letters = (cursor.words[cursor.at++] ?? '').slice(1);
  while (letters !== '') {
    const letter = [...letters][0] ?? '';
    const rest = letters.slice(letter.length);
    const known = table.short.get(letter);
    if (!known) {
      if (letter === 'h') return true;
      throw usageError(`unknown shorthand flag: '${letter}' in -${letters}`);
    }
    if (rest.startsWith('=')) {
      store(given, known, rest.slice(1));
      return false;
    }
    if (known.flag.bare !== undefined) {
      store(given, known, known.flag.bare);
      letters = rest;
      continue;
    }
    if (rest !== '') store(given, known, rest);
    else if (cursor.at < cursor.words.length) store(given, known, cursor.words[cursor.at++] ?? '');
    else throw usageError(`flag needs an argument: '${letter}' in -${letters}`);
    return false;
  }
  return false;
}

function isFlag(word: string): boolean {
  return word.length > 1 && word.startsWith('-');
}

/** What follows the first argument of a command that reads no flags there. */
function tail(words: readonly string[], after: Arguments['after']): readonly string[] {
  if (after === 'program') return words;
  const [first = '', ...rest] = words;
  if (after === 'command') return [first, ...(rest[0] === '--' ? rest.slice(1) : rest)];
  const end = rest.indexOf('--');
  const late = (end < 0 ? rest : rest.slice(0, end)).find(isFlag);
  if (late !== undefined) {
    throw usageError(
      `no options (${late}) can be specified after the image or container name`,
      'put the flags before it',
    );
  }
  return end < 0 ? words : [first, ...rest.slice(0, end), ...rest.slice(end + 1)];
}

/** Reads a command's words into `given`; returns its arguments. Stops at once where help is asked for. */
export function readFlags(
  table: FlagTable,
  words: readonly string[],
  options: { readonly after: Arguments['after']; readonly given: Given },
): ReadFlags {
  const { after, given } = options;
  const cursor: Cursor = { words, at: 0 };
  const args: string[] = [];
  while (cursor.at < words.length) {
    const word = words[cursor.at] ?? '';
    if (word === '--') {
      const rest = words.slice(cursor.at + 1);
      return { args: after === 'command' ? tail(rest, after) : [...args, ...rest], help: false };
    }
    if (!isFlag(word)) {
      if (after !== 'free') return { args: tail(words.slice(cursor.at), after), help: false };
      args.push(word);
      cursor.at += 1;
      continue;
    }
    const help = word.startsWith('--') ? readLong(table, cursor, given) : readShorts(table, cursor, given);
    if (help) return { args, help: true };
  }
  return { args, help: false };
}

/** Splits the words at the command's name: global flags before it go to `given`. */
export function readCommand(
  table: FlagTable,
  words: readonly string[],
  given: Given,
): { readonly command: string | undefined; readonly rest: readonly string[]; readonly help: boolean } {
  const { args, help } = readFlags(table, words, { after: 'program', given });
  return { command: args[0], rest: args.slice(1), help };
}

function fromEnvironment(name: string, flag: Flag<unknown>, env: NodeJS.ProcessEnv): unknown {
  for (const variable of flag.env ?? []) {
    const text = env[variable];
    if (text === undefined || text === '') continue;
    try {
      return flag.read(text);
    } catch (error) {
      if (!(error instanceof BldError)) throw error;
      throw usageError(`invalid value "${text}" in ${variable} (--${name}): ${error.message}`);
    }
  }
  return flag.fallback;
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The values a handler gets, by camel-case name; E_UNSUPPORTED for what bld understands and does not provide. */
export function completeValues(
  flags: Flags,
  given: ReadonlyMap<string, unknown>,
  env: NodeJS.ProcessEnv,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const name in flags) {
    const flag = flags[name];
    if (!flag) continue;
    const said = given.get(name);
    const chosen = said === undefined ? fromEnvironment(name, flag, env) : said;
    if (flag.unsupported !== undefined && said !== undefined && !same(chosen, flag.fallback)) {
      throw new BldError('E_UNSUPPORTED', `--${name} is not supported: ${flag.unsupported}`);
    }
    values[camel(name)] = chosen;
  }
  return values;
}

/** Refuses too few and too many arguments, in cobra's words. */
export function checkArguments(command: string, expected: Arguments, args: readonly string[]): void {
  const { min = 0, max = Number.POSITIVE_INFINITY } = expected;
  const hint = `see bld help ${command}`;
  if (args.length < min) {
    const exactly =
      min === max ? `accepts ${min} arg(s), received` : `requires at least ${min} arg(s), only received`;
    throw usageError(expected.missing ?? `${exactly} ${args.length}`, hint);
  }
  if (args.length > max) {
    const words =
      max === 0
        ? `unknown command "${args[0]}" for "bld ${command}"`
        : `accepts ${min === max ? '' : 'at most '}${max} arg(s), received ${args.length}`;
    throw usageError(expected.excess ?? words, hint);
  }
}
