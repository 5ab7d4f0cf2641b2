/** Ignore files by the book: each pattern a regular expression, each asked for a path and all directories above it. */
import { posix } from 'node:path';
import fc from 'fast-check';

/** moby's translation of a pattern, word for word by its rules, on an engine that backtracks. */
function mobyMatches(pattern: string, path: string): boolean {
  let form = '^';
  let type = 'exact';
  for (let at = 0, round = 0; at < pattern.length; round++) {
    const character = pattern[at++] ?? '';
    if (character === '*' && pattern[at] === '*') {
      at++;
      if (pattern[at] === '/') at++;
      if (at === pattern.length) {
        if (type === 'exact') type = 'prefix';
        else {
          form += '.*';
          type = 'regexp';
        }
      } else {
        form += '(.*/)?';
        type = 'regexp';
      }
      if (round === 0) type = 'suffix';
    } else if (character === '*') {
      form += '[^/]*';
      type = 'regexp';
    } else if (character === '?') {
      form += '[^/]';
      type = 'regexp';
    } else if ('.+()|{}$'.includes(character)) form += `\\${character}`;
    else {
      if ('[]'.includes(character)) type = 'regexp';
      form += character;
    }
  }
  if (type === 'exact') return path === pattern;
  if (type === 'prefix') return path.startsWith(pattern.slice(0, -2));
  if (type !== 'suffix') return new RegExp(`${form}$`, 'su').test(path);
  const suffix = pattern.slice(2);
  return path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
}

/** Whether the patterns leave a path out: the last that matches it, or a directory above it, decides. */
export function mobyExcludes(patterns: readonly string[], path: string): boolean {
  const names = path.split('/');
  const above = names.slice(0, -1).map((_, index) => names.slice(0, index + 1).join('/'));
  let excluded = false;
  for (const pattern of patterns) {
    const isInclusion = pattern.startsWith('!');
    const plain = posix
      .normalize(isInclusion ? pattern.slice(1) : pattern)
      .replace(/(.)\/$/, '$1')
      .replace(/^\/(.)/, '$1');
    if (isInclusion !== excluded) continue;
    if ([path, ...above].some((one) => mobyMatches(plain, one))) excluded = !isInclusion;
  }
  return excluded;
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 2 });

/** A clean path of up to four names. */
export const somePath = fc
  .array(name, { minLength: 1, maxLength: 4 })
  .map((names) => names.join('/'))
  .filter((text) => posix.normalize(text) === text && !text.startsWith('.'));

const pattern = fc
  .tuple(
    fc.constantFrom('', '', '!'),
    fc.array(fc.constantFrom('a', 'b', '/', '*', '**', '?', '.', '[a]', '[^b]', '[a-b]'), {
      minLength: 1,
      maxLength: 5,
    }),
  )
  .map(([mark, parts]) => mark + parts.join(''))
  .filter((text) => !text.includes('***'));

/** Up to four lines of an ignore file. */
export const somePatterns = fc.array(pattern, { maxLength: 4 });
