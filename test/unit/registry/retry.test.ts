import { describe, expect, test } from 'vitest';
import { backoff, Gate, isPassing, Lane, pause, retryAfter } from '../../../src/registry/retry.ts';

test('retryAfter: seconds, dates, past, junk', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(retryAfter('7', now)).toBe(7000);
  expect(retryAfter('1000000000', now)).toBe(1e12);
  expect(retryAfter('Thu, 01 Jan 2026 00:00:05 GMT', now)).toBe(5000);
  expect(retryAfter('Thu, 01 Jan 2015 00:00:05 GMT', now)).toBe(0);
  for (const junk of [null, '', 'soon', '-1', '1.5', '99999999999999'])
    expect(retryAfter(junk, now)).toBeUndefined();
});

test('backoff doubles, with jitter, up to 30 s', () => {
  for (const [attempt, most] of [
    [0, 100],
    [1, 200],
    [3, 800],
    [20, 30_000],
  ] as const) {
    const wait = backoff(attempt, 100);
    expect(wait).toBeGreaterThanOrEqual(most / 2);
    expect(wait).toBeLessThanOrEqual(most);
  }
});

test('passing statuses', () => {
  expect([408, 429, 500, 502, 503, 504].every(isPassing)).toBe(true);
  expect([200, 400, 401, 403, 404, 409, 416, 501].some(isPassing)).toBe(false);
});

test('a closed gate holds everybody', async () => {
  const gate = new Gate();
  gate.closeFor(40);
  gate.closeFor(10);
  const start = performance.now();
  await Promise.all([gate.pass(undefined), gate.pass(undefined)]);
  expect(performance.now() - start).toBeGreaterThanOrEqual(38);
});

test('a pause ends with the signal', async () => {
  await expect(pause(60_000, AbortSignal.timeout(5))).rejects.toThrow();
  await expect(pause(0, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
});

describe('Lane', () => {
  test('lets in so many, the others in their order; leaving twice counts once', async () => {
    const lane = new Lane(2);
    const order: number[] = [];
    const enter = async (id: number) => {
      const leave = await lane.enter();
      order.push(id);
      return leave;
    };
    const [first, , third] = [enter(1), enter(2), enter(3), enter(4)];
    await pause(1, undefined);
    expect(order).toEqual([1, 2]);
    const leave = await first;
    leave?.();
    leave?.();
    await third;
    await pause(1, undefined);
    expect(order).toEqual([1, 2, 3]);
  });
});
