import { Complaint } from './errors.ts';

/** One pattern of an ignore file, ready to match paths without a leading or trailing slash. */
export interface PathPattern {
  /** The one path that it matches, when it is a plain path. */
  readonly exact?: string;
  matches(path: string): boolean;
  /** False when nothing below the directory can match: its tree need not be walked for this pattern. */
  mayMatchBelow(directory: string): boolean;
}

type Token =
  | { readonly kind: 'character'; readonly character: string }
  | {
      readonly kind: 'class';
      readonly isNegated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    }
  /** `?`: any character but a slash. */
  | { readonly kind: 'any' }
  /** `*`: any run without a slash. */
  | { readonly kind: 'run' }
  /** `**` with something after it is two: this one lets the next be left out, */
  | { readonly kind: 'maybe' }
  /** and this one is anything that ends with a slash. */
  | { readonly kind: 'directories' }
  /** `**` at the end. */
  | { readonly kind: 'rest' };

/**
 * Compiles a cleaned pattern by moby's rules (patternmatcher): `**` at either end of an otherwise plain pattern is a
 * test of suffix or prefix, all else is matched whole. Matching takes time linear in path × pattern. Throws a Complaint
 * for a malformed pattern, as Go's filepath.Match sees it.
 */
export function compilePattern(pattern: string): PathPattern {
  const tokens = tokensOf(pattern);
  const isPlain = (token: Token) => token.kind === 'character';
  const isWritten = !pattern.includes('\\');
  if (isWritten && tokens.every(isPlain)) return exactly(pattern);
  if (isWritten && pattern.startsWith('**')) {
    const after = tokens.findIndex((token) => token.kind === 'directories' || token.kind === 'rest') + 1;
    if (tokens.slice(after).every(isPlain)) return suffix(pattern.slice(2));
  }
  const isPrefix = tokens.at(-1)?.kind === 'rest' && tokens.slice(0, -1).every(isPlain);
  if (isWritten && isPrefix) return prefix(pattern.slice(0, -2));
  return whole(tokens);
}

function exactly(path: string): PathPattern {
  return {
    exact: path,
    matches: (candidate) => candidate === path,
    mayMatchBelow: (directory) => path.startsWith(`${directory}/`),
  };
}

function suffix(end: string): PathPattern {
  return {
    matches: (path) => path.endsWith(end) || (end.startsWith('/') && path === end.slice(1)),
    mayMatchBelow: () => true,
  };
}

function prefix(start: string): PathPattern {
  return {
    matches: (path) => path.startsWith(start),
    mayMatchBelow: (directory) => start.startsWith(`${directory}/`) || `${directory}/`.startsWith(start),
  };
}

/** All tokens side by side: the set of tokens that the path so far may have reached. */
function whole(tokens: readonly Token[]): PathPattern {
  const run = (path: string): Uint8Array => {
    let states = new Uint8Array(tokens.length + 1);
    enter(states, tokens, 0);
    for (const character of path) states = stepped(states, tokens, character);
    return states;
  };
  return {
    matches: (path) => run(path)[tokens.length] === 1,
    mayMatchBelow: (directory) => run(`${directory}/`).includes(1),
  };
}

function stepped(states: Uint8Array, tokens: readonly Token[], character: string): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(tokens.length + 1);
  for (const [index, token] of tokens.entries()) {
    if (states[index] !== 1) continue;
    const { stays, passes } = reaction(token, character);
    if (stays) enter(next, tokens, index);
    if (passes) enter(next, tokens, index + 1);
  }
  return next;
}

/** What a token does with a character: takes it and stays, takes it and is done, both, or neither. */
function reaction(token: Token, character: string): { readonly stays?: boolean; readonly passes?: boolean } {
  switch (token.kind) {
    case 'character':
      return { passes: token.character === character };
    case 'class':
      return { passes: isInClass(token, character) };
    case 'any':
      return { passes: character !== '/' };
    case 'run':
      return { stays: character !== '/' };
    case 'rest':
      return { stays: true };
    case 'directories':
      return { stays: true, passes: character === '/' };
    case 'maybe':
      return {};
  }
}

/** Marks a state, and those that follow from it without a character. */
function enter(states: Uint8Array, tokens: readonly Token[], state: number): void {
  for (let at = state; states[at] !== 1; at++) {
    states[at] = 1;
    const kind = tokens[at]?.kind;
    if (kind === 'maybe') enter(states, tokens, at + 2);
    else if (kind !== 'run' && kind !== 'rest') break;
  }
}

function isInClass(token: Extract<Token, { kind: 'class' }>, character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  const isListed = token.ranges.some(
    ([low, high]) => (low.codePointAt(0) ?? 0) <= code && code <= (high.codePointAt(0) ?? 0),
  );
  return isListed !== token.isNegated;
}

function tokensOf(pattern: string): Token[] {
  const characters = [...pattern];
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      if (at + 1 === characters.length) tokens.push({ kind: 'rest' });
      else tokens.push({ kind: 'maybe' }, { kind: 'directories' });
    } else if (character === '*') tokens.push({ kind: 'run' });
    else if (character === '?') tokens.push({ kind: 'any' });
    else if (character === '[') {
      const { token, end } = classAt(characters, at, pattern);
      tokens.push(token);
      at = end;
    } else if (character === '\\') {
      const escaped = characters[++at];
      if (escaped === undefined) throw malformed(pattern, 'it ends with a backslash');
      tokens.push({ kind: 'character', character: escaped });
    } else tokens.push({ kind: 'character', character });
  }
  return tokens;
}

/** `[a-z]`, `[^x]`: at least one member; `-` and `]` only escaped; a range does not run backwards. */
function classAt(
  characters: readonly string[],
  start: number,
  pattern: string,
): { token: Token; end: number } {
  const ranges: [string, string][] = [];
  const isNegated = characters[start + 1] === '^';
  let at = start + (isNegated ? 2 : 1);
  const member = (): string => {
    let character = characters[at];
    if (character === undefined) throw malformed(pattern, 'a [ is not closed');
    if (character === '-' || character === ']') {
      throw malformed(
        pattern,
        character === ']' ? 'an empty [] matches nothing' : 'a - in [] needs a backslash',
      );
    }
    if (character === '\\') character = characters[++at];
    if (character === undefined) throw malformed(pattern, 'a [ is not closed');
    at++;
    return character;
  };
  do {
    const low = member();
    if (characters[at] !== '-') {
      ranges.push([low, low]);
      continue;
    }
    at++;
    const high = member();
    if ((low.codePointAt(0) ?? 0) > (high.codePointAt(0) ?? 0)) {
      throw malformed(pattern, `the range ${low}-${high} runs backwards`);
    }
    ranges.push([low, high]);
  } while (characters[at] !== ']');
  return { token: { kind: 'class', isNegated, ranges }, end: at };
}

function malformed(pattern: string, why: string): Complaint {
  return new Complaint(`malformed pattern ${JSON.stringify(pattern)}: ${why}`, { near: pattern });
}
