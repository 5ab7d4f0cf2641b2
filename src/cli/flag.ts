import type { Flag } from './spec.ts';
import { readBool, readInteger } from './values.ts';

type Extras = Partial<
  Pick<
    Flag<unknown>,
    'short' | 'aliases' | 'value' | 'bare' | 'skipsEmpty' | 'env' | 'hidden' | 'ignored' | 'unsupported'
  >
>;

/** `--flag`, `--flag=false`: false (or `fallback`) when absent. */
export function bool(summary: string, extras: Extras & { readonly fallback?: boolean } = {}): Flag<boolean> {
  return { kind: 'bool', summary, bare: 'true', fallback: false, ...extras, read: readBool };
}

/** A boolean that tells "not said" (undefined) from false. */
export function tristate(summary: string, extras: Extras = {}): Flag<boolean | undefined> {
  return { kind: 'bool', summary, bare: 'true', fallback: undefined, ...extras, read: readBool };
}

/** One value as it is; the last one given wins. An empty one is none: scripts pass variables that may be unset. */
export function text(summary: string, extras: Extras = {}): Flag<string | undefined> {
  return { kind: 'text', summary, fallback: undefined, ...extras, read: (value) => value || undefined };
}

/** One value, read by `read`; undefined, or `fallback`, when not given. */
export function value<T>(summary: string, read: (text: string) => T, extras?: Extras): Flag<T | undefined>;
export function value<T, const D>(
  summary: string,
  read: (text: string) => T,
  extras: Extras & { readonly fallback: D },
): Flag<T | D>;
export function value(
  summary: string,
  read: (text: string) => unknown,
  extras: Extras & { readonly fallback?: unknown } = {},
): Flag<unknown> {
  return { kind: 'text', summary, fallback: undefined, ...extras, read };
}

/** A whole number (decimal, 0x, 0o, 0b). */
export function integer(summary: string, extras: Extras = {}): Flag<number | undefined> {
  return value(summary, readInteger, { value: 'N', ...extras });
}

/** pflag's StringArray: may be repeated, commas are kept. */
export function list(summary: string, extras?: Extras): Flag<readonly string[]>;
export function list<T>(summary: string, extras: Extras, read: (text: string) => T): Flag<readonly T[]>;
export function list(
  summary: string,
  extras: Extras = {},
  read: (text: string) => unknown = (item) => item,
): Flag<readonly unknown[]> {
  return { kind: 'list', summary, fallback: [], ...extras, read };
}

/** pflag's StringSlice: may be repeated, and a comma splits (CSV quotes protect it). */
export function csv(summary: string, extras?: Extras): Flag<readonly string[]>;
export function csv<T>(summary: string, extras: Extras, read: (text: string) => T): Flag<readonly T[]>;
export function csv(
  summary: string,
  extras: Extras = {},
  read: (text: string) => unknown = (item) => item,
): Flag<readonly unknown[]> {
  return { kind: 'csv', summary, fallback: [], ...extras, read };
}
