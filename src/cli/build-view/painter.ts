import type { Size } from './frame.ts';
import { displayWidth } from './width.ts';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** Keeps some lines at the bottom of a terminal up to date; others scroll away above them. */
export interface Painter {
  /** Puts text that ends with its line above, and draws the live lines anew below it. */
  paint(above: string, lines: readonly string[], size: Size): void;
}

/** Paints over what it drew last; on a screen that became narrower, over the rows that its lines take there. */
export function openPainter(write: (text: string) => void): Painter {
  let drawn: readonly string[] = [];
  let width = 0;
  return {
    paint(above, lines, { columns }) {
      const isSame = above === '' && columns === width && sameLines(lines, drawn);
      width = columns;
      if (isSame) return;
      const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
      const up = rows > 0 ? `\x1b[${rows}A\r` : '';
      const hide = drawn.length === 0 && lines.length > 0 ? HIDE_CURSOR : '';
      const show = drawn.length > 0 && lines.length === 0 ? SHOW_CURSOR : '';
      const text = above + lines.map((line) => `${line}\n`).join('');
      // line by line: erasing the whole screen would leave a copy of it in some terminals' history
      const over = rows > 0 ? `${text.replaceAll('\n', '\x1b[K\n')}\x1b[J` : text;
      if (text !== '' || rows > 0) write(hide + up + over + show);
      drawn = lines;
    },
  };
}

function sameLines(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((line, at) => line === others[at]);
}
