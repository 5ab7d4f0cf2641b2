import { isSpace, splitBlanks } from './characters.ts';
import { Complaint } from './errors.ts';

/** A `name=value` of ENV, LABEL or ARG, quotes and variables still in it. */
export interface Pair {
  readonly name: string;
  readonly value: string;
}

/** Words separated by unquoted blanks, written as they are: quotes and escapes stay. */
export function splitWords(text: string, escapeToken: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '' && isSpace(character)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    if (character === escapeToken && quote !== "'") {
      // An escape token that ends the text escapes nothing, and goes.
      if (at + 1 < text.length) word += character + text.charAt(++at);
      continue;
    }
    if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
    word += character;
  }
  if (word !== '') words.push(word);
  return words;
}

export interface Pairs {
  readonly pairs: readonly Pair[];
  /** `ENV name value…`: one pair, no `=`. */
  readonly isLegacy: boolean;
}

/** The pairs of ENV or LABEL, in either form; throws a Complaint. */
export function splitPairs(text: string, keyword: string, escapeToken: string): Pairs {
  const words = splitWords(text, escapeToken);
  const [first] = words;
  if (first === undefined) return { pairs: [], isLegacy: false };
  if (!first.includes('=')) {
    const [name = '', value] = splitBlanks(text, 2);
    if (value === undefined) {
      const hint = `write ${keyword} ${name}=value`;
      throw new Complaint(`${keyword} must have two arguments`, { near: name, hint });
    }
    return { pairs: [{ name, value }], isLegacy: true };
  }
  const pairs = words.map((word) => {
    const equals = word.indexOf('=');
    if (equals >= 0) return { name: word.slice(0, equals), value: word.slice(equals + 1) };
    const wrong = `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`;
    throw new Complaint(wrong, { near: word, hint: 'a value with blanks needs quotes: name="some value"' });
  });
  return { pairs, isLegacy: false };
}

/** The text as a JSON array of strings, undefined when it is none; a Complaint when it is an array of other things. */
export function execForm(text: string): string[] | undefined {
  if (!/^\s*\[/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item;
    throw new Complaint('when using JSON array syntax, arrays must be comprised of strings only', {
      near: JSON.stringify(item),
      hint: 'each word stands in double quotes: ["sleep", "10"]',
    });
  });
}
