import { writeSync } from 'node:fs';
import { isErrno } from '../base/errors.ts';
import { goJson } from './json.ts';

/** What a command hands back; nothing else reaches standard output. */
export type Outcome =
  | undefined
  /** Ids, names: one a line. */
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  /** Printed as it is: no newline is added. */
  | { readonly kind: 'text'; readonly text: string }
  /** Indented by Go's usual four spaces unless told otherwise. */
  | { readonly kind: 'json'; readonly value: unknown; readonly indent?: number }
  /** Nothing is printed: the exit code is the answer. */
  | { readonly kind: 'status'; readonly code: number };

export function status(code: number): Outcome {
  return { kind: 'status', code };
}

export function lines(all: readonly string[]): Outcome {
  return { kind: 'lines', lines: all };
}

export function text(exactly: string): Outcome {
  return { kind: 'text', text: exactly };
}

export function json(value: unknown, indent = 4): Outcome {
  return { kind: 'json', value, indent };
}

/** An outcome as the bytes of standard output. */
export function render(outcome: Outcome): string {
  switch (outcome?.kind) {
    case undefined:
    case 'status':
      return '';
    case 'lines':
      return outcome.lines.map((line) => `${line}\n`).join('');
    case 'text':
      return outcome.text;
    case 'json':
      return `${goJson(outcome.value, outcome.indent ?? 4)}\n`;
  }
}

/** The reader of standard output has gone (`bld images | head -1`): no failure of ours, nothing more to say. */
export class OutputClosed extends Error {}

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes all of it, waiting where a pipe is full; throws OutputClosed. Synchronous, for Node's own streams take 4 ms to
 * set up: a fifth of a short command.
 */
export function writeAll(fd: number, content: string): void {
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (isErrno(error, 'EPIPE')) throw new OutputClosed('standard output is closed');
      if (!isErrno(error, 'EAGAIN')) throw error;
      Atomics.wait(pause, 0, 0, 5);
    }
  }
}

export function print(outcome: Outcome): void {
  const content = render(outcome);
  if (content !== '') writeAll(1, content);
}

/** A line for standard error; one that nobody reads is dropped. */
export function writeLog(line: string): void {
  try {
    writeAll(2, line);
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
}
