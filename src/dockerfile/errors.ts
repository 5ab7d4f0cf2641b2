import { BldError } from '../base/errors.ts';
import { printable } from '../base/log.ts';
import { withoutLogins } from '../base/logins.ts';
import { locate } from './locate.ts';
import type { Range, Source } from './source.ts';

const CONTEXT = 2;
const WIDEST = 160;

/** Where a thing stands: enough to point at it. */
export interface Place {
  readonly source: Source;
  readonly range: Range;
  /** The escape token in force, which an excerpt needs to find words by. */
  readonly escape?: string;
}

/** What went wrong in a Dockerfile; `where` is `name:line`, `excerpt` the lines around it. */
export class DockerfileError extends BldError {
  readonly where: string;
  readonly line: number;
  readonly reason: string;
  readonly excerpt: string;

  constructor(
    place: Place,
    reason: string,
    details: { readonly hint?: string; readonly near?: string } = {},
  ) {
    const where = `${place.source.name}:${place.range.start.line}`;
    const excerpt = excerptOf(place, details.near);
    super('E_DOCKERFILE', `${where}: ${reason}\n${excerpt}`, {
      spot: { file: place.source.name, line: place.range.start.line },
      ...(details.hint && { hint: details.hint }),
    });
    this.name = 'DockerfileError';
    this.where = where;
    this.line = place.range.start.line;
    this.reason = reason;
    this.excerpt = excerpt;
  }
}

/** A problem found by code that does not know where it stands; `at` adds the place. `near` is the word to underline. */
export class Complaint extends Error {
  readonly near: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, details: { readonly near?: string; readonly hint?: string } = {}) {
    super(message);
    this.name = 'Complaint';
    this.near = details.near;
    this.hint = details.hint;
  }
}

/** Runs `work`; a Complaint that leaves it becomes a DockerfileError at `place`. */
export function at<T>(place: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Complaint)) throw error;
    throw new DockerfileError(place, error.message, {
      ...(error.near !== undefined && { near: error.near }),
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  }
}

/**
 * The lines of `place` marked with `>>>`, two lines before and after, and carets under the word `near` when it can be
 * found there. Control characters are shown escaped and long lines cut.
 */
export function excerptOf(place: Place, near?: string): string {
  const { source, range } = place;
  const total = source.lines.at(-1) === '' ? source.lines.length - 1 : source.lines.length;
  const first = Math.max(1, range.start.line - CONTEXT);
  const last = Math.max(1, Math.min(total, range.end.line + CONTEXT));
  const spot = near ? locate(place, near) : undefined;
  const width = String(last).length;
  const shown: string[] = [];
  for (let line = first; line <= last; line++) {
    const isMarked = line >= range.start.line && line <= range.end.line;
    const text = source.lines[line - 1] ?? '';
    const head = `${String(line).padStart(width + 1)} | ${isMarked ? '>>>' : '   '} `;
    shown.push(`${head}${clip(text)}`.trimEnd());
    if (spot?.start.line !== line || spot.end.column > WIDEST) continue;
    const blank = printable(text.slice(0, spot.start.column - 1)).replace(/[^\t]/g, ' ');
    const word = printable(text.slice(spot.start.column - 1, spot.end.column - 1));
    const carets = '^'.repeat(Math.max(1, word.length));
    shown.push(`${' '.repeat(width + 1)} |     ${blank}${carets}`);
  }
  return shown.join('\n');
}

function clip(line: string): string {
  const text = withoutLogins(printable(line));
  return text.length <= WIDEST ? text : `${text.slice(0, WIDEST - 1)}…`;
}
