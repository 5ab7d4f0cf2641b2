import { Complaint } from './errors.ts';

/** Nanoseconds of each unit, as Go writes durations. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const FORM = /^[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** `1m30s`, `0`, `1.5h` in nanoseconds; throws a Complaint. */
export function parseDuration(text: string): number {
  if (text.length > 100 || !FORM.test(text)) {
    throw new Complaint(`invalid duration ${JSON.stringify(text)}`, {
      near: text,
      hint: 'a duration is a number with a unit: 500ms, 30s, 1m30s, 2h',
    });
  }
  let total = 0;
  for (const [, amount, unit = ''] of text.matchAll(PART)) total += Number(amount) * (UNITS[unit] ?? 0);
  if (total > Number.MAX_SAFE_INTEGER) throw new Complaint(`duration ${text} is too long`, { near: text });
  return Math.round(text.startsWith('-') ? -total : total);
}

/** Nanoseconds as Go prints them: `1m30s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const hours = Math.floor(nanoseconds / 3600e9);
  const minutes = Math.floor((nanoseconds % 3600e9) / 60e9);
  const seconds = `${(nanoseconds % 60e9) / 1e9}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
