/** Sizes and ages for people, in Buildah's words. */

const DECIMAL = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** Bytes in powers of 1000 with so many significant digits: `2.13 MB`. */
export function humanSize(bytes: number, digits = 3): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < DECIMAL.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${plainNumber(size, digits)} ${DECIMAL[unit]}`;
}

/** Go's `%.Ng`: significant digits, no trailing zeros. */
function plainNumber(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A span in its largest unit, as docker's tools say it: `5 minutes`, `About an hour`, `3 weeks`. */
export function humanSpan(milliseconds: number): string {
  const of = (unit: number) => Math.floor(milliseconds / unit);
  if (milliseconds < SECOND) return 'Less than a second';
  if (of(SECOND) === 1) return '1 second';
  if (milliseconds < MINUTE) return `${of(SECOND)} seconds`;
  if (of(MINUTE) === 1) return 'About a minute';
  if (milliseconds < HOUR) return `${of(MINUTE)} minutes`;
  const hours = Math.round(milliseconds / HOUR);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

/** `2 hours ago`, counted from `now` (both milliseconds since 1970). */
export function humanAge(created: number, now: number): string {
  return `${humanSpan(Math.max(0, now - created))} ago`;
}

/** A span for progress lines: `0.4s`, `12s`, `3m05s`. */
export function shortSpan(milliseconds: number): string {
  if (milliseconds < 10 * SECOND) return `${(milliseconds / SECOND).toFixed(1)}s`;
  if (milliseconds < MINUTE) return `${Math.round(milliseconds / SECOND)}s`;
  const minutes = Math.floor(milliseconds / MINUTE);
  return `${minutes}m${String(Math.floor((milliseconds % MINUTE) / SECOND)).padStart(2, '0')}s`;
}
