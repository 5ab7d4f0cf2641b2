import { describe, expect, test, vi } from 'vitest';
import { watchInterrupts } from '../../../src/cli/interrupt.ts';

describe('signals', () => {
  test('work that listens is asked to end; a second signal does not ask', () => {
    const exit = vi.fn();
    const interrupts = watchInterrupts(exit);
    const { signal } = interrupts;
    expect(interrupts.reason).toBeUndefined();
    interrupts.arrive('SIGTERM');
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBe(interrupts.reason);
    expect(interrupts.reason).toMatchObject({ code: 'E_CANCELLED', exitCode: 143 });
    expect(exit).not.toHaveBeenCalled();
    interrupts.arrive('SIGINT');
    expect(exit).toHaveBeenCalledExactlyOnceWith(130);
  });

  test('work that does not listen ends at once', () => {
    const exit = vi.fn();
    watchInterrupts(exit).arrive('SIGHUP');
    expect(exit).toHaveBeenCalledExactlyOnceWith(129);
  });

  test('ten seconds are enough to clean up', () => {
    vi.useFakeTimers();
    try {
      const exit = vi.fn();
      const interrupts = watchInterrupts(exit);
      expect(interrupts.signal.aborted).toBe(false);
      interrupts.arrive('SIGINT');
      vi.advanceTimersByTime(9_999);
      expect(exit).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(exit).toHaveBeenCalledExactlyOnceWith(130);
    } finally {
      vi.useRealTimers();
    }
  });
});
