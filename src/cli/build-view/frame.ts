import type { Item } from '../progress.ts';
import { movingLine } from '../progress.ts';
import { shortSpan } from '../units.ts';
import { displayWidth, fitted, plainLine } from './width.ts';

/** A step that goes on, as it is drawn. */
export interface LiveStep {
  readonly title: string;
  readonly started: number;
  /** The end of what it wrote. */
  recent: Buffer;
  readonly transfers: Map<string, Item>;
}

/** All that is drawn at the bottom of the screen. */
export interface Live {
  readonly started: number;
  /** Steps that have ended, and those of all stages. */
  readonly ended: number;
  readonly total: number;
  readonly steps: readonly LiveStep[];
  /** Transfers that belong to no step. */
  readonly transfers: readonly Item[];
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Lines of output that a step shows at most. */
const MOST_OUTPUT = 6;
/** Facts stay near to what they are about on a wide screen. */
const WIDEST = 120;
const INDENT = '  | ';

/** A text and, at the right, a fact about it. */
export function withFact(text: string, fact: string, columns: number): string {
  const width = Math.min(columns - 1, WIDEST);
  const left = fitted(text, Math.max(4, width - displayWidth(fact) - 2));
  const gap = Math.max(2, width - displayWidth(left) - displayWidth(fact));
  return `${left}${' '.repeat(gap)}${fact}`;
}

/** The last lines of a program's output, as they are to be seen. */
export function lastLines(recent: Buffer, count: number): string[] {
  if (count < 1) return [];
  const lines = recent.toString('utf8').split('\n').map(plainLine);
  return lines.filter((line) => line !== '').slice(-count);
}

/** The live part of the screen, no line wider and no more of them than the screen has. */
export function frame(live: Live, { columns, rows }: Size, now: number): string[] {
  const { steps } = live;
  if (steps.length === 0 && live.transfers.length === 0) return [];
  const room = Math.max(1, rows - 1);
  const span = shortSpan(now - live.started);
  const head = withFact(`Building: ${live.ended} of ${live.total} steps`, span, columns);
  const rest = room - 1 - steps.length - live.transfers.length;
  const share = Math.max(0, Math.min(MOST_OUTPUT, Math.floor(rest / Math.max(1, steps.length))));
  const lines = steps.flatMap((step) => [
    withFact(step.title, shortSpan(now - step.started), columns),
    ...[...step.transfers.values()]
      .slice(-share || 0, share === 0 ? 0 : undefined)
      .map((item) => movingLine({ ...item, label: `${INDENT}${item.label}` }, columns, now)),
    ...lastLines(step.recent, share - step.transfers.size).map((line) =>
      fitted(`${INDENT}${line}`, columns - 1),
    ),
  ]);
  const moving = live.transfers.map((item) => movingLine(item, columns, now));
  return [head, ...lines, ...moving].slice(0, room);
}
