/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1). Scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACES = /[ \t]*/y;
const SEPARATORS = /[ \t,]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const BARE = /[^\s,]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;

/**
 * The challenges in their order: several headers joined by commas, several challenges in one, quoted commas and
 * unknown schemes are understood. What follows a part that is not is left out.
 */
export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  while (at < header.length) {
    take(SEPARATORS);
    const word = take(TOKEN);
    if (word === undefined) break;
    const afterWord = at;
    take(SPACES);
    const current = found.at(-1);
    if (header[at] === '=' && current) {
      at++;
      take(SPACES);
      const quoted = take(QUOTED);
      const value = quoted === undefined ? take(BARE) : quoted.replace(/\\(.)/g, '$1');
      const name = word.toLowerCase();
      // the first value counts, so that a second cannot override it
      if (!current.parameters.has(name)) current.parameters.set(name, value ?? '');
      continue;
    }
    if (header[at] === '=') break;
    if (header[at] !== undefined && header[at] !== ',' && at === afterWord) break;
    found.push({ scheme: word.toLowerCase(), parameters: new Map() });
    take(TOKEN68);
  }
  return found;
}
