import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { drawProgress } from '../../../src/cli/progress.ts';

const DIGEST = `sha256:${'0123456789ab'.padEnd(64, 'c')}`;

function screen(isTerminal: boolean) {
  let shown = '';
  let moment = 0;
  return {
    isTerminal,
    columns: () => 80,
    write: (text: string) => {
      shown += text;
    },
    now: () => moment,
    wait(milliseconds: number) {
      moment += milliseconds;
      vi.advanceTimersByTime(milliseconds);
    },
    take() {
      const taken = shown;
      shown = '';
      return taken;
    },
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('in a log', () => {
  test('a line at the start, one at the end', () => {
    const log = screen(false);
    const { progress, end } = drawProgress(log);
    progress({ kind: 'message', text: 'Trying to pull \x1b[2Jx' });
    progress({ kind: 'start', id: 'a', label: `Copying blob ${DIGEST}`, total: 2_000_000 });
    for (let part = 0; part < 10; part++) progress({ kind: 'advance', id: 'a', bytes: 200_000 });
    log.wait(1500);
    progress({ kind: 'end', id: 'a' });
    progress({ kind: 'start', id: 'b', label: 'Copying config' });
    progress({ kind: 'end', id: 'b', note: 'already there' });
    progress({ kind: 'end', id: 'unknown' });
    end();
    expect(log.take().split('\n')).toEqual([
      'Trying to pull \\x1b[2Jx',
      'Copying blob 0123456789ab (2 MB)',
      'Copying blob 0123456789ab  done, 2 MB in 1.5s',
      'Copying config',
      'Copying config  already there',
      '',
    ]);
  });
});

describe('on a terminal', () => {
  test('lines are redrawn ten times a second, and end up above', () => {
    const terminal = screen(true);
    const { progress, line, end } = drawProgress(terminal);
    progress({ kind: 'start', id: 'a', label: 'Copying a', total: 1000 });
    expect(terminal.take()).toBe('');
    terminal.wait(100);
    expect(terminal.take()).toMatch(/^\x1b\[\?25lCopying a {2}\[ {30}\] {2}0 B \/ 1 KB {4}0%\n$/);
    progress({ kind: 'start', id: 'b', label: 'Copying b', total: 1000 });
    progress({ kind: 'advance', id: 'a', bytes: 500 });
    line('Warning: careful\n');
    terminal.wait(400);
    const drawn = terminal.take();
    expect(drawn).toContain('\x1b[1A\r\x1b[JWarning: careful\n');
    expect(drawn).toMatch(/Copying a {2}\[=+ +\] {2}500 B \/ 1 KB {3}50% {2}/);
    expect(drawn).toMatch(/\n2 transfers {2}\[=+ +\] {2}500 B \/ 2 KB {3}25%/);
    for (const shown of drawn.split('\n')) expect(shown.length).toBeLessThan(100);
    progress({ kind: 'end', id: 'a' });
    progress({ kind: 'end', id: 'b', note: 'failed' });
    end();
    expect(terminal.take()).toBe(
      '\x1b[3A\r\x1b[JCopying a  done, 500 B in 0.5s\nCopying b  failed\n\x1b[?25h',
    );
    terminal.wait(1000);
    expect(terminal.take()).toBe('');
  });

  test('what was moving when all ended leaves no line, and the cursor is back', () => {
    const terminal = screen(true);
    const { progress, end } = drawProgress(terminal);
    progress({ kind: 'start', id: 'a', label: 'Copying a' });
    terminal.wait(100);
    end();
    expect(terminal.take().endsWith('\x1b[1A\r\x1b[J\x1b[?25h')).toBe(true);
  });
});
