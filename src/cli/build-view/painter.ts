import type { Size } from './frame.ts';
import { displayWidth } from './width.ts';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** Keeps some lines at the bottom of a terminal up to date; others scroll away above them. */
export interface Painter {
  /** Puts text that ends with its line above, and draws the live lines anew below it. */
  paint(above: string, lines: readonly string[], size: Size): void;
}

/** Paints by erasing what it drew last; on a screen that became narrower, the rows that its lines take there. */
export function openPainter(write: (text: string) => void): Painter {
  let drawn: readonly string[] = [];
  return {
    paint(above, lines, { columns }) {
      const isSame =
        above === '' && lines.length === drawn.length && lines.every((one, at) => one === drawn[at]);
      if (isSame) return;
      const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
      const erase = rows > 0 ? `\x1b[${rows}A\r\x1b[J` : '';
      const hide = drawn.length === 0 && lines.length > 0 ? HIDE_CURSOR : '';
      const show = drawn.length > 0 && lines.length === 0 ? SHOW_CURSOR : '';
      write(hide + erase + above + lines.map((line) => `${line}\n`).join('') + show);
      drawn = lines;
    },
  };
}
