import { Complaint } from './errors.ts';
import { expandWords } from './expand.ts';
import type { Range } from './source.ts';

const FORM = /^(\d*)<<(-?)([^<]+)$/;
const nothingSet = () => undefined;

/** `3<<-"EOF"` as it stands in an instruction. */
export interface HeredocMark {
  /** The terminator, unquoted; also the name of the file that COPY and ADD make. */
  readonly name: string;
  readonly descriptor: number;
  /** `<<-`: leading tabs of the body go. */
  readonly chomp: boolean;
  /** The name was not quoted: COPY and ADD expand variables of the body. */
  readonly expand: boolean;
}

export interface Heredoc extends HeredocMark {
  /** The body as written, line ends included. */
  readonly content: string;
  readonly range: Range;
}

/** The word as a heredoc's mark; undefined when it is none. */
export function heredocMark(word: string): HeredocMark | undefined {
  const [, descriptor = '', dash = '', rest = ''] = FORM.exec(word) ?? [];
  if (rest === '') return undefined;
  const plain = expandWords(rest, nothingSet, { keepUnset: true });
  const written = expandWords(rest, nothingSet, { keepUnset: true, raw: true });
  const [name] = plain;
  if (name === undefined || plain.length !== 1 || written.length !== 1) return undefined;
  return { name, descriptor: Number(descriptor || 0), chomp: dash === '-', expand: name === written[0] };
}

/** The marks in an instruction's text, in their order. Text that is no proper shell words has none. */
export function heredocMarks(text: string): HeredocMark[] {
  try {
    const words = expandWords(text, nothingSet, { raw: true, keepUnset: true });
    return words.map(heredocMark).filter((mark) => mark !== undefined);
  } catch (error) {
    if (error instanceof Complaint) return [];
    throw error;
  }
}

/** The body of a `<<-` heredoc without the tabs that lead its lines; others as they are. */
export function heredocText(heredoc: Heredoc): string {
  return heredoc.chomp ? heredoc.content.replace(/^\t+/gm, '') : heredoc.content;
}
