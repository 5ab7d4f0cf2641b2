/**
 * Character devices that a container may make and use, major and minor: null, zero, full, random, urandom; tty, ptmx.
 * No other device of an image becomes one of the store, and no command can make one.
 */
export const HARMLESS_DEVICES: readonly (readonly [major: number, minor: number])[] = [
  [1, 3],
  [1, 5],
  [1, 7],
  [1, 8],
  [1, 9],
  [5, 0],
  [5, 2],
];
