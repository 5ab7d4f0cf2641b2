/** Milliseconds on a clock that never jumps. The global `performance` has the same, and takes 2 ms to load. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
