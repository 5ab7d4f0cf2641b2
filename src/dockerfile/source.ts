/** 1-based line and column (UTF-16 units). */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** `end` is the position after the last character. */
export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/** A text that errors point into: its name as the person gave it, and its lines without their ends. */
export interface Source {
  readonly name: string;
  readonly lines: readonly string[];
}

/** The text as a Source. A byte order mark is dropped, as all builders do. */
export function sourceOf(name: string, text: string): Source {
  return { name, lines: withoutMark(text).split('\n').map(withoutReturn) };
}

/** All of lines `first` to `last`, 1-based, both included. */
export function linesRange(source: Source, first: number, last: number): Range {
  const start = (source.lines[first - 1] ?? '').search(/\S|$/) + 1;
  return {
    start: { line: first, column: start },
    end: { line: last, column: (source.lines[last - 1] ?? '').length + 1 },
  };
}

export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
