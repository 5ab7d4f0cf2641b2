import { Complaint } from './errors.ts';
import { removePrefix, removeSuffix, replacePattern } from './wildcard.ts';
import { WordList } from './word-list.ts';

const DEEPEST = 100;
const LONGEST = 1 << 20;
const SPECIAL_PARAMETER = /[@*#?\-$!0]/;
const DIGITS = /\p{Nd}+/uy;
const NAME = /[\p{L}\p{Nd}_]+/uy;
/** Characters that mean nothing in any place. */
const PLAIN = /[^$'"\\`/}]+/y;

/** The value of a variable, undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  /** `\` unless the file chose the backtick. */
  readonly escape?: string;
  /** Quotes and escapes stay in the result: to see a word as it was written. */
  readonly raw?: boolean;
  /** Quotes are ordinary characters: the body of a heredoc. */
  readonly plainQuotes?: boolean;
  /** References to unset variables stay in the result. */
  readonly keepUnset?: boolean;
  /** Most UTF-16 units that the result may have. */
  readonly limit?: number;
}

export interface Expansion {
  readonly text: string;
  /** Variables that were asked for: set, and not set. */
  readonly matched: ReadonlySet<string>;
  readonly unmatched: ReadonlySet<string>;
}

interface Reader {
  readonly text: string;
  readonly lookup: Lookup;
  readonly options: ExpandOptions;
  readonly escape: string;
  readonly limit: number;
  at: number;
  depth: number;
  readonly matched: Set<string>;
  readonly unmatched: Set<string>;
}

/**
 * Expands the variables of a word and removes its quotes and escapes, by the rules of the Dockerfile reference.
 * Throws a Complaint that names the word.
 */
export function expand(text: string, lookup: Lookup, options: ExpandOptions = {}): Expansion {
  const reader = readerOf(text, lookup, options);
  const { matched, unmatched } = reader;
  return { text: readWhole(reader), matched, unmatched };
}

/** The expanded text split at its unquoted blanks, those that came out of variables included. */
export function expandWords(text: string, lookup: Lookup, options: ExpandOptions = {}): string[] {
  const words = new WordList();
  readWhole(readerOf(text, lookup, options), words);
  return words.finish();
}

function readerOf(text: string, lookup: Lookup, options: ExpandOptions): Reader {
  return {
    text,
    lookup,
    options,
    escape: options.escape ?? '\\',
    limit: options.limit ?? LONGEST,
    at: 0,
    depth: 0,
    matched: new Set<string>(),
    unmatched: new Set<string>(),
  };
}

function readWhole(reader: Reader, words?: WordList): string {
  try {
    return readUntil(reader, { stop: '', raw: reader.options.raw ?? false, ...(words && { words }) });
  } catch (error) {
    if (!(error instanceof Complaint)) throw error;
    const { text } = reader;
    const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
    throw new Complaint(`failed to process ${JSON.stringify(shown)}: ${error.message}`, {
      near: text,
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  }
}

interface Reading {
  /** Taken, not returned; the end of the text when empty. */
  readonly stop: string;
  /** Escapes stay. */
  readonly raw: boolean;
  /** Collects the words of what is read. */
  readonly words?: WordList;
}

function readUntil(reader: Reader, { stop, raw, words }: Reading): string {
  if (++reader.depth > DEEPEST) throw new Complaint('substitutions are nested too deeply');
  let result = '';
  while (reader.at < reader.text.length) {
    const character = peek(reader);
    if (character === stop) {
      reader.at++;
      reader.depth--;
      return result;
    }
    const piece = readPiece(reader, character, raw);
    if (character === '$' || piece.isPlain) words?.addText(piece.text);
    else words?.addRaw(piece.text);
    result += piece.text;
    if (result.length > reader.limit) throw new Complaint(`expands to more than ${reader.limit} characters`);
  }
  if (stop !== '') throw new MissingStop(stop);
  reader.depth--;
  return result;
}

/** A substitution, a quotation, an escaped character, or a run of plain ones. */
function readPiece(reader: Reader, character: string, raw: boolean): { text: string; isPlain?: true } {
  const hasQuotes = !reader.options.plainQuotes;
  if (character === '$') return { text: readDollar(reader, raw) };
  if (character === "'" && hasQuotes) return { text: readSingleQuotes(reader) };
  if (character === '"' && hasQuotes) return { text: readDoubleQuotes(reader, raw) };
  if (character === reader.escape) {
    reader.at++;
    const escaped = next(reader);
    return { text: raw ? character + escaped : escaped };
  }
  PLAIN.lastIndex = reader.at;
  const run = PLAIN.exec(reader.text)?.[0] ?? character;
  reader.at += run.length;
  return { text: run, isPlain: true };
}

class MissingStop extends Complaint {
  constructor(stop: string) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: shown as it is
    super(stop === '/' ? "syntax error: missing '/' in ${}" : `syntax error: missing '${stop}'`);
  }
}

class UnknownModifier extends Complaint {
  constructor(modifier: string) {
    super(`unsupported modifier (${modifier}) in substitution`, {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: shown as it is
      hint: 'there are ${v:-w} ${v:+w} ${v:?message} ${v#p} ${v%p} ${v/p/r}; what a shell knows besides works in RUN',
    });
  }
}

function readSingleQuotes(reader: Reader): string {
  const end = reader.text.indexOf("'", reader.at + 1);
  if (end < 0) throw new Complaint('unexpected end of statement while looking for matching single-quote');
  const piece = reader.text.slice(reader.at, end + 1);
  reader.at = end + 1;
  return reader.options.raw ? piece : piece.slice(1, -1);
}

function readDoubleQuotes(reader: Reader, raw: boolean): string {
  const quote = reader.options.raw ? '"' : '';
  let result = quote;
  reader.at++;
  while (reader.at < reader.text.length) {
    const character = peek(reader);
    if (character === '"') {
      reader.at++;
      return result + quote;
    }
    if (character === '$') {
      result += readDollar(reader, raw);
      continue;
    }
    next(reader);
    if (character === reader.escape) {
      // Only these three can be escaped here; before anything else the token stands for itself.
      const following = peek(reader);
      if (following === '"' || following === '$' || following === reader.escape) {
        reader.at++;
        result += raw ? character + following : following;
        continue;
      }
      if (following === '') break;
    }
    result += character;
    if (result.length > reader.limit) throw new Complaint(`expands to more than ${reader.limit} characters`);
  }
  throw new Complaint('unexpected end of statement while looking for matching double-quote');
}

function readDollar(reader: Reader, raw: boolean): string {
  reader.at++;
  if (peek(reader) !== '{') {
    const name = readName(reader);
    if (name === '') return '$';
    return lookUp(reader, name) ?? (reader.options.keepUnset ? `$${name}` : '');
  }
  const start = reader.at - 1;
  reader.at++;
  const first = peek(reader);
  if (first === '') throw new MissingStop('}');
  if (first === '{' || first === '}' || first === ':') throw new Complaint('syntax error: bad substitution');
  const name = readName(reader);
  const value = readModified(reader, name, raw);
  const isKept = reader.options.keepUnset && reader.lookup(name) === undefined;
  return isKept ? reader.text.slice(start, reader.at) : value;
}

/** What follows the name inside `${…}`, its `}` included. */
function readModified(reader: Reader, name: string, raw: boolean): string {
  const modifier = next(reader);
  switch (modifier) {
    case '':
      throw new MissingStop('}');
    case '}':
      return lookUp(reader, name) ?? '';
    case ':':
      return readAlternative(reader, name, { modifier: next(reader), emptyIsUnset: true, raw });
    case '-':
    case '+':
    case '?':
      return readAlternative(reader, name, { modifier, emptyIsUnset: false, raw });
    case '#':
    case '%':
      return readTrimmed(reader, name, modifier);
    case '/':
      return readReplaced(reader, name);
    default:
      throw new UnknownModifier(modifier);
  }
}

interface Alternative {
  readonly modifier: string;
  readonly emptyIsUnset: boolean;
  readonly raw: boolean;
}

function readAlternative(reader: Reader, name: string, alternative: Alternative): string {
  const { modifier, emptyIsUnset, raw } = alternative;
  if (modifier === '') throw new MissingStop('}');
  if (!['-', '+', '?'].includes(modifier)) {
    throw new UnknownModifier(`${emptyIsUnset ? ':' : ''}${modifier}`);
  }
  const word = readUntil(reader, { stop: '}', raw });
  const value = lookUp(reader, name);
  const isGiven = value !== undefined && !(emptyIsUnset && value === '');
  if (modifier === '+') return isGiven ? word : '';
  if (isGiven) return value;
  if (modifier === '-') return word;
  const usual = `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`;
  if (word !== '') throw new Complaint(`${name}: ${word}`);
  throw new Complaint(`${name}: ${usual}`, {
    hint: `declare it by ARG or ENV with a value, or give it by --build-arg ${name}=…`,
  });
}

function readTrimmed(reader: Reader, name: string, modifier: '#' | '%'): string {
  const pattern = readUntil(reader, { stop: '}', raw: true });
  const value = lookUp(reader, name) ?? '';
  const isLongest = pattern.startsWith(modifier);
  const remove = modifier === '#' ? removePrefix : removeSuffix;
  return remove(value, isLongest ? pattern.slice(1) : pattern, isLongest);
}

function readReplaced(reader: Reader, name: string): string {
  const isAll = peek(reader) === '/';
  if (isAll) reader.at++;
  const pattern = readUntil(reader, { stop: '/', raw: true });
  const replacement = readUntil(reader, { stop: '}', raw: true });
  return replacePattern(lookUp(reader, name) ?? '', pattern, { replacement, isAll, limit: reader.limit });
}

function readName(reader: Reader): string {
  const first = peek(reader);
  const isNumber = /\p{Nd}/u.test(first);
  if (!isNumber && SPECIAL_PARAMETER.test(first)) return next(reader);
  const form = isNumber ? DIGITS : NAME;
  form.lastIndex = reader.at;
  const name = form.exec(reader.text)?.[0] ?? '';
  reader.at += name.length;
  return name;
}

function lookUp(reader: Reader, name: string): string | undefined {
  const value = reader.lookup(name);
  (value === undefined ? reader.unmatched : reader.matched).add(name);
  return value;
}

function peek(reader: Reader): string {
  const code = reader.text.codePointAt(reader.at);
  return code === undefined ? '' : String.fromCodePoint(code);
}

function next(reader: Reader): string {
  const character = peek(reader);
  reader.at += character.length;
  return character;
}
