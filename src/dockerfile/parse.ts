import { BldError } from '../base/errors.ts';
import { splitBlanks, trim, trimStart } from './characters.ts';
import { type DirectiveReader, type Directives, directiveReader } from './directives.ts';
import { at, DockerfileError, type Place } from './errors.ts';
import { splitFlags } from './flags.ts';
import { type Heredoc, type HeredocMark, heredocMarks } from './heredoc.ts';
import { linesRange, type Range, type Source, sourceOf, withoutMark } from './source.ts';
import { execForm } from './words.ts';

/** A larger file is refused (E_LIMIT) before any work is done on it; UTF-16 units. */
export const LARGEST_FILE = 16 << 20;
const LONGEST_LINE = 65_535;
const MOST_INSTRUCTIONS = 4_000;
const HEREDOC_KEYWORDS = ['ADD', 'COPY', 'RUN'];

/** One instruction as it stands in the file: words not yet looked at. */
export interface Node extends Place {
  /** As written. */
  readonly keyword: string;
  readonly keywordRange: Range;
  readonly flags: readonly string[];
  /** What follows keyword and flags, continuation lines joined, blanks around it gone. */
  readonly text: string;
  /** The whole instruction in one line. */
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
  /** The comment lines right above, without their `#`. */
  readonly comments: readonly string[];
  readonly hasEmptyContinuation: boolean;
  readonly escape: string;
}

export interface ParsedFile {
  readonly source: Source;
  readonly directives: Directives;
  /** In the file's order; at least one. */
  readonly nodes: readonly Node[];
}

interface Cursor {
  readonly source: Source;
  /** The lines with their ends, which heredoc bodies keep. */
  readonly raw: readonly string[];
  /** Index of the next line. */
  next: number;
}

/** Reads a Dockerfile into its instructions. Throws DockerfileError, or E_LIMIT for a file beyond LARGEST_FILE. */
export function parseFile(text: string, name: string): ParsedFile {
  if (text.length > LARGEST_FILE) {
    throw new BldError('E_LIMIT', `${name} is larger than ${LARGEST_FILE >> 20} MiB`);
  }
  const source = sourceOf(name, text);
  const cursor: Cursor = { source, raw: withoutMark(text).split(/(?<=\n)/), next: 0 };
  const head = directiveReader();
  const nodes: Node[] = [];
  let comments: string[] = [];
  while (cursor.next < cursor.raw.length) {
    const line = trimStart(takeLine(cursor));
    if (
      !head.done &&
      isDirective(head, line, { source, range: linesRange(source, cursor.next, cursor.next) })
    ) {
      comments = [];
    } else if (line.startsWith('#')) {
      comments.push(trim(line.slice(1)));
    } else {
      const node = readInstruction(cursor, line, { head, comments });
      comments = [];
      if (node) nodes.push(node);
      if (nodes.length > MOST_INSTRUCTIONS) {
        throw new BldError('E_LIMIT', `${name} has more than ${MOST_INSTRUCTIONS} instructions`);
      }
    }
  }
  if (nodes.length === 0) {
    const range = linesRange(source, 1, Math.max(1, source.lines.length - 1));
    throw new DockerfileError({ source, range: { ...range, end: range.start } }, 'file with no instructions');
  }
  return { source, directives: head.found, nodes };
}

function isDirective(head: DirectiveReader, line: string, place: Place): boolean {
  return at(place, () => head.take(line));
}

/** The next line without its end. */
function takeLine(cursor: Cursor): string {
  const line = cursor.source.lines[cursor.next] ?? '';
  cursor.next++;
  if (line.length > LONGEST_LINE) {
    const range = linesRange(cursor.source, cursor.next, cursor.next);
    throw new DockerfileError(
      { source: cursor.source, range },
      `dockerfile line greater than max allowed size of ${LONGEST_LINE}`,
    );
  }
  return line;
}

/** The instruction that starts with `firstLine`, its continuation lines and heredocs; undefined for a blank line. */
function readInstruction(
  cursor: Cursor,
  firstLine: string,
  above: { readonly head: DirectiveReader; readonly comments: readonly string[] },
): Node | undefined {
  const { source } = cursor;
  const first = cursor.next;
  const token = above.head.found.escape;
  let { text: original, continues } = withoutContinuation(firstLine, token);
  let hasEmptyContinuation = false;
  while (continues && cursor.next < cursor.raw.length) {
    const line = takeLine(cursor);
    const stripped = trimStart(line);
    if (stripped.startsWith('#')) continue;
    if (stripped === '') {
      // The split of a text that ends with a line end leaves an empty last line, which is none.
      hasEmptyContinuation ||= cursor.next < source.lines.length;
      continue;
    }
    const more = withoutContinuation(line, token);
    original += more.text;
    continues = more.continues;
  }
  if (trim(original) === '') return undefined;
  const last = lastWritten(source, first, cursor.next);
  const bounds = { source, range: linesRange(source, first, last), escape: token };
  const [keyword = '', rest = ''] = splitBlanks(trim(original), 2);
  const { flags, rest: text } = splitFlags(rest);
  const heredocs = at(bounds, () => heredocMarksOf(keyword, text)).map((mark) =>
    readHeredoc(cursor, mark, bounds),
  );
  const start = bounds.range.start;
  return {
    ...bounds,
    range: heredocs.length === 0 ? bounds.range : linesRange(source, first, cursor.next),
    keyword,
    keywordRange: { start, end: { line: start.line, column: start.column + keyword.length } },
    flags,
    text: trim(text),
    original: trim(original),
    heredocs,
    comments: above.comments,
    hasEmptyContinuation,
  };
}

/** A line that ends with the escape token goes on; a doubled token at the end is the character itself. */
function withoutContinuation(line: string, token: string): { text: string; continues: boolean } {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--;
  const body = line.slice(0, end);
  const isContinued = body.endsWith(token) && (body.length === 1 || !body.endsWith(token + token));
  return isContinued ? { text: body.slice(0, -1), continues: true } : { text: line, continues: false };
}

/** A continuation into the end of the file ends on the last line that has something. */
function lastWritten(source: Source, first: number, last: number): number {
  return last === source.lines.length && source.lines[last - 1] === '' ? Math.max(first, last - 1) : last;
}

/** The heredocs that an instruction announces; ONBUILD asks the instruction it keeps. */
function heredocMarksOf(keyword: string, text: string): HeredocMark[] {
  if (!text.includes('<<')) return [];
  if (keyword.toUpperCase() === 'ONBUILD') {
    const [inner = '', rest = ''] = splitBlanks(text, 2);
    return inner.toUpperCase() === 'ONBUILD' ? [] : heredocMarksOf(inner, splitFlags(rest).rest);
  }
  if (!HEREDOC_KEYWORDS.includes(keyword.toUpperCase()) || execForm(text)) return [];
  return heredocMarks(text);
}

function readHeredoc(cursor: Cursor, mark: HeredocMark, place: Place): Heredoc {
  const first = cursor.next;
  const content: string[] = [];
  while (cursor.next < cursor.raw.length) {
    const raw = cursor.raw[cursor.next] ?? '';
    const line = takeLine(cursor);
    if ((mark.chomp ? line.replace(/^\t+/, '') : line) === mark.name) {
      return { ...mark, content: content.join(''), range: linesRange(cursor.source, first + 1, cursor.next) };
    }
    content.push(raw);
  }
  throw new DockerfileError(place, 'unterminated heredoc', {
    near: mark.name,
    hint: `a line that is only ${mark.name} must end the text${mark.chomp ? '' : ' (no blanks before it)'}`,
  });
}
