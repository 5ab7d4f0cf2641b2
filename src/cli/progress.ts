import { printable } from '../base/log.ts';
import { monotonic } from '../base/monotonic.ts';
import type { Progress } from '../base/progress.ts';
import { isTerminal } from '../base/terminal.ts';
import { writeLog } from './output.ts';
import { humanSize, shortSpan } from './units.ts';

export interface Screen {
  readonly isTerminal: boolean;
  readonly columns: () => number;
  readonly write: (text: string) => void;
  /** Milliseconds, from any start. */
  readonly now: () => number;
}

export interface Drawing {
  readonly progress: Progress;
  /** Puts a line of somebody else (a warning) where it does not disturb the drawing. */
  readonly line: (text: string) => void;
  /** Leaves the screen in order: all lines final, the cursor shown. */
  end(): void;
}

/** Something that moves. */
export interface Item {
  readonly label: string;
  readonly total: number | undefined;
  readonly started: number;
  done: number;
}

/** Milliseconds between two drawings. */
const INTERVAL = 100;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

function amount({ done, total }: Item): string {
  if (total === undefined || total <= 0) return humanSize(done);
  const percent = Math.min(100, Math.floor((done / total) * 100));
  return `${humanSize(done)} / ${humanSize(total)}  ${String(percent).padStart(3)}%`;
}

function rate({ done, started }: Item, now: number): string {
  const seconds = (now - started) / 1000;
  return seconds < 0.2 || done === 0 ? '' : `${humanSize(done / seconds)}/s`;
}

function bar({ done, total }: Item, width: number): string {
  if (!total || total <= 0 || width < 8) return '';
  const filled = Math.min(width, Math.floor((done / total) * width));
  return `[${'='.repeat(filled).padEnd(width)}]`;
}

/** A transfer on its way, on one line. */
export function movingLine(item: Item, columns: number, now: number): string {
  const facts = [amount(item), rate(item, now)].filter(Boolean).join('  ');
  const room = Math.min(30, columns - item.label.length - facts.length - 8);
  const line = [item.label, bar(item, room), facts].filter(Boolean).join('  ');
  return line.length < columns ? line : `${line.slice(0, Math.max(1, columns - 2))}…`;
}

function endLine(item: Item, note: string | undefined, now: number): string {
  const cost = item.done > 0 ? `, ${humanSize(item.done)} in ${shortSpan(now - item.started)}` : '';
  return `${item.label}  ${note ?? 'done'}${cost}`;
}

function sum(items: readonly Item[]): Item {
  const isKnown = items.every((item) => item.total !== undefined);
  return {
    label: `${items.length} transfers`,
    total: isKnown ? items.reduce((total, item) => total + (item.total ?? 0), 0) : undefined,
    started: Math.min(...items.map((item) => item.started)),
    done: items.reduce((done, item) => done + item.done, 0),
  };
}

/** A digest in a label, short enough for a line. */
export function shortLabel(label: string): string {
  return printable(label).replace(/\b(?:sha256:)?([0-9a-f]{12})[0-9a-f]{52}\b/g, '$1');
}

/** Keeps the books of what moves; says when something begins and ends. */
export function account(
  now: () => number,
  items: Map<string, Item>,
  said: (line: string, moves: boolean) => void,
): Progress {
  return (event) => {
    if (event.kind === 'message') return said(shortLabel(event.text), false);
    if (event.kind === 'start') {
      const item = { label: shortLabel(event.label), total: event.total, started: now(), done: 0 };
      items.set(event.id, item);
      return said(`${item.label}${item.total ? ` (${humanSize(item.total)})` : ''}`, true);
    }
    const item = items.get(event.id);
    if (!item) return;
    if (event.kind === 'advance') {
      item.done += event.bytes;
    } else {
      items.delete(event.id);
      said(endLine(item, event.note, now()), false);
    }
  };
}

/** A line when something begins and one when it ends: for logs. */
export function plainDrawing({ write, now }: Pick<Screen, 'write' | 'now'>): Drawing {
  return {
    progress: account(now, new Map(), (line) => write(`${line}\n`)),
    line: write,
    end() {},
  };
}

/** What moves stays at the bottom, with bytes, rate and share of each and of all; what ended scrolls away above. */
function liveDrawing({ write, now, columns }: Screen): Drawing {
  const items = new Map<string, Item>();
  let above = '';
  let drawn = 0;

  const draw = () => {
    const moving = [...items.values()];
    const shown = moving.length > 1 ? [...moving, sum(moving)] : moving;
    const lines = shown.map((item) => `${movingLine(item, columns(), now())}\n`).join('');
    const erase = drawn > 0 ? `\x1b[${drawn}A\r\x1b[J` : '';
    if (drawn === 0 && shown.length > 0) write(HIDE_CURSOR);
    if (erase || above || lines) write(erase + above + lines);
    if (drawn > 0 && shown.length === 0) write(SHOW_CURSOR);
    above = '';
    drawn = shown.length;
  };
  const timer = setInterval(draw, INTERVAL).unref();
  const end = () => {
    clearInterval(timer);
    process.off('exit', end);
    items.clear();
    draw();
  };
  // a second signal ends the process at once
  process.on('exit', end);

  return {
    progress: account(now, items, (line, moves) => {
      if (!moves) above += `${line}\n`;
    }),
    line(text) {
      above += text;
    },
    end,
  };
}

function standardError(): Screen {
  return {
    isTerminal: isTerminal(2) && process.env.TERM !== 'dumb',
    columns: () => process.stderr.columns || 80,
    write: writeLog,
    now: monotonic,
  };
}

/** Draws progress on `screen` (standard error): live lines ten times a second on a terminal, plain ones elsewhere. */
export function drawProgress(screen: Screen = standardError()): Drawing {
  return screen.isTerminal ? liveDrawing(screen) : plainDrawing(screen);
}
