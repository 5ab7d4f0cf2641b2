import { createRequire } from 'node:module';
import type { Argument, Instruction } from 'dockerfile-ast';
import type { Place } from './errors.ts';
import type { Range } from './source.ts';

/** An excerpt of more lines than this is marked whole. */
const MOST_LINES = 200;

interface Span {
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly line: number; readonly character: number };
}

/**
 * Where the word `near` of the instruction at `place` stands in the text as it was written, through continuation
 * lines and comments; undefined when it cannot be told. An editor's parser finds the words (of one instruction at a
 * time, whose bounds are ours): loaded only when there is something to point at.
 */
export function locate(place: Place, near: string): Range | undefined {
  const { source, range } = place;
  if (near === '' || range.end.line - range.start.line >= MOST_LINES) return undefined;
  // The escape token reaches the parser by a directive, as a line of its own before the instruction.
  const header = place.escape === undefined || place.escape === '\\' ? [] : [`# escape=${place.escape}`];
  const lines = [...header, ...source.lines.slice(range.start.line - 1, range.end.line)];
  const [line, column] = tokenOf(lines, near) ?? textOf(lines, near) ?? [];
  if (line === undefined || column === undefined) return undefined;
  const start = { line: range.start.line + line - header.length, column: column + 1 };
  return { start, end: { line: start.line, column: start.column + near.length } };
}

/** The first word that is `near`, or holds it. */
function tokenOf(lines: readonly string[], near: string): [number, number] | undefined {
  const { DockerfileParser } = createRequire(import.meta.url)(
    'dockerfile-ast',
  ) as typeof import('dockerfile-ast');
  const instruction: Instruction | undefined = DockerfileParser.parse(lines.join('\n')).getInstructions()[0];
  if (!instruction) return undefined;
  const spans = [instruction.getInstructionRange(), ...instruction.getArguments().map(rangeOf)];
  const texts = spans.map((span) => [span, textIn(lines, span)] as const);
  const exact = texts.find(([, text]) => text === near);
  const holder = exact ?? texts.find(([, text]) => text.includes(near));
  if (!holder) return undefined;
  const [span, text] = holder;
  return [span.start.line, span.start.character + text.indexOf(near)];
}

function rangeOf(argument: Argument): Span {
  return argument.getRange();
}

/** Of a span within one line; empty for others, which a caret could not underline. */
function textIn(lines: readonly string[], span: Span): string {
  if (span.start.line !== span.end.line) return '';
  return (lines[span.start.line] ?? '').slice(span.start.character, span.end.character);
}

function textOf(lines: readonly string[], near: string): [number, number] | undefined {
  const line = lines.findIndex((text) => text.includes(near) && (lines.length === 1 || !/^\s*#/.test(text)));
  return line < 0 ? undefined : [line, (lines[line] ?? '').indexOf(near)];
}
