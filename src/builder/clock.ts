/** RFC 3339 in UTC, as image configurations carry it; `seconds` since 1970 for a reproducible one. */
export function now(seconds?: number): string {
  if (seconds === undefined) return new Date().toISOString().replace('Z', '000000Z');
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
