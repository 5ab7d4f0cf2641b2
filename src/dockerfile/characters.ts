const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const LEADING_SPACE = new RegExp(`^(?:${SPACE.source})+`);
const TRAILING_SPACE = new RegExp(`(?<!${SPACE.source})(?:${SPACE.source})+$`);

/** White space of any script, as Go's `unicode.IsSpace` has it: what separates words in a Dockerfile. */
export function isSpace(character: string): boolean {
  return SPACE.test(character);
}

export function trimStart(text: string): string {
  return text.replace(LEADING_SPACE, '');
}

export function trim(text: string): string {
  return trimStart(text).replace(TRAILING_SPACE, '');
}

/** Splits at blanks of a line (space, tab, form feed, …) into at most `limit` parts; the last keeps the rest. */
export function splitBlanks(text: string, limit = Number.POSITIVE_INFINITY): string[] {
  const parts: string[] = [];
  const blanks = /[\t\v\f\r ]+/g;
  let from = 0;
  while (parts.length < limit - 1) {
    const match = blanks.exec(text);
    if (!match) break;
    parts.push(text.slice(from, match.index));
    from = blanks.lastIndex;
  }
  parts.push(text.slice(from));
  return parts;
}
