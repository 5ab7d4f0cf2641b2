import { Complaint } from './errors.ts';

const LONGEST_VALUE = 1 << 16;
const LONGEST_PATTERN = 1 << 10;

/** A pattern between two `*`: characters, undefined for `?`. */
type Piece = readonly (string | undefined)[];

/** `${value#pattern}`; `##` when `isLongest`. */
export function removePrefix(value: string, pattern: string, isLongest: boolean): string {
  const text = [...value];
  const end = matchAt(text, 0, piecesOf(pattern, value), isLongest);
  return end === undefined ? value : text.slice(end).join('');
}

/** `${value%pattern}`; `%%` when `isLongest`. */
export function removeSuffix(value: string, pattern: string, isLongest: boolean): string {
  const text = [...value].reverse();
  const pieces = piecesOf(pattern, value)
    .reverse()
    .map((piece) => [...piece].reverse());
  const end = matchAt(text, 0, pieces, isLongest);
  return end === undefined ? value : text.slice(end).reverse().join('');
}

export interface Replacement {
  readonly replacement: string;
  readonly isAll: boolean;
  /** Most UTF-16 units of the result. */
  readonly limit: number;
}

/** `${value/pattern/replacement}`, `//` when `isAll`: the leftmost match, as long as it can be. */
export function replacePattern(value: string, pattern: string, how: Replacement): string {
  const text = [...value];
  const pieces = piecesOf(pattern, value);
  let result = '';
  let from = 0;
  for (let start = 0; start <= text.length; ) {
    if (!isPieceAt(text, start, pieces[0] ?? [])) {
      start++;
      continue;
    }
    const end = matchAt(text, start, pieces, true);
    // The pieces that follow were looked for in all the rest: what fails here fails further right.
    if (end === undefined) break;
    // An empty match right after another one is no match.
    const isNew = end > start || start === 0 || start > from;
    if (isNew) result += text.slice(from, start).join('') + how.replacement;
    if (result.length > how.limit) throw new Complaint(`expands to more than ${how.limit} characters`);
    if (isNew) from = end;
    start = end > start ? end : start + 1;
    if (!how.isAll) break;
  }
  return result + text.slice(from).join('');
}

/** Where a match that starts at `start` ends: the nearest or the farthest end, undefined when there is none. */
function matchAt(text: readonly string[], start: number, pieces: readonly Piece[], isLongest: boolean) {
  const first = pieces[0] ?? [];
  if (!isPieceAt(text, start, first)) return undefined;
  let end = start + first.length;
  for (const [index, piece] of pieces.entries()) {
    if (index === 0) continue;
    const isLast = index === pieces.length - 1;
    const found = isLast && isLongest ? findLast(text, end, piece) : findFirst(text, end, piece);
    if (found === undefined) return undefined;
    end = found + piece.length;
  }
  return end;
}

function findFirst(text: readonly string[], from: number, piece: Piece): number | undefined {
  for (let at = from; at + piece.length <= text.length; at++) if (isPieceAt(text, at, piece)) return at;
  return undefined;
}

function findLast(text: readonly string[], from: number, piece: Piece): number | undefined {
  for (let at = text.length - piece.length; at >= from; at--) if (isPieceAt(text, at, piece)) return at;
  return undefined;
}

function isPieceAt(text: readonly string[], at: number, piece: Piece): boolean {
  if (at + piece.length > text.length) return false;
  return piece.every((character, index) => character === undefined || character === text[at + index]);
}

/** The pattern split at its unescaped `*`. */
function piecesOf(pattern: string, value: string): Piece[] {
  if (value.length > LONGEST_VALUE || pattern.length > LONGEST_PATTERN) {
    throw new Complaint(
      `a pattern of at most ${LONGEST_PATTERN} on a value of at most ${LONGEST_VALUE} characters`,
    );
  }
  const pieces: (string | undefined)[][] = [[]];
  let isEscaped = false;
  for (const character of pattern) {
    if (!isEscaped && character === '\\') {
      isEscaped = true;
      continue;
    }
    if (!isEscaped && character === '*') pieces.push([]);
    else pieces.at(-1)?.push(!isEscaped && character === '?' ? undefined : character);
    isEscaped = false;
  }
  return pieces;
}
