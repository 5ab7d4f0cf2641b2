/** Go's texts of moments and durations. */

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** `2023-11-14 22:13:20.5 +0000 UTC`, as Go prints a time; the zero time for what is none. */
export function goTime(value: unknown): string {
  const text = value instanceof Date ? value.toISOString().replace(/\.000Z$/, 'Z') : value;
  const match = typeof text === 'string' ? RFC3339.exec(text) : null;
  if (!match) return '0001-01-01 00:00:00 +0000 UTC';
  const [, moment = '', fraction = '', zone = 'Z'] = match;
  const digits = fraction.replace(/0+$/, '');
  const offset = zone === 'Z' ? '+0000' : zone.replace(':', '');
  const name = offset === '+0000' ? 'UTC' : offset;
  return `${moment.replace('T', ' ')}${digits && `.${digits}`} ${offset} ${name}`;
}

function trimmed(number: number): string {
  return number.toFixed(9).replace(/\.?0+$/, '');
}

/** `1h0m0s`, `1.5s`, `300ms`, as Go prints a duration in nanoseconds. */
export function goDuration(nanoseconds: number): string {
  const sign = nanoseconds < 0 ? '-' : '';
  const rest = Math.abs(nanoseconds);
  if (rest === 0) return '0s';
  if (rest < 1e3) return `${sign}${rest}ns`;
  if (rest < 1e6) return `${sign}${trimmed(rest / 1e3)}µs`;
  if (rest < 1e9) return `${sign}${trimmed(rest / 1e6)}ms`;
  const hours = Math.floor(rest / 3600e9);
  const minutes = Math.floor((rest % 3600e9) / 60e9);
  const seconds = `${trimmed((rest % 60e9) / 1e9)}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return `${sign}${minutes > 0 ? `${minutes}m` : ''}${seconds}`;
}

/** The date and time of a moment (milliseconds since 1970) as Buildah's lists show it: UTC, whole seconds. */
export function formatTime(milliseconds: number): string {
  return goTime(new Date(Math.floor(milliseconds / 1000) * 1000));
}
