/**
 * What a command is, as plain data: flags with their kinds and readers, words for the help, and how many arguments it
 * takes. The parser (argv.ts), the help (help.ts) and the man pages all read the same record.
 */
import type { Context } from './context.ts';
import type { Outcome } from './output.ts';

export type FlagKind = 'bool' | 'text' | 'list' | 'csv';

/** One flag; `T` is what a handler gets. Made by the constructors of flag.ts. */
export interface Flag<T> {
  readonly kind: FlagKind;
  readonly short?: string;
  /** Other long names that mean the same (`--net`). */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** What stands for the value in help. */
  readonly value?: string;
  /** The value when the flag is given bare (`--pull` = `--pull=always`); without it a value must follow. */
  readonly bare?: string;
  /** A list to which an empty value adds nothing. */
  readonly skipsEmpty?: boolean;
  /** The value when the flag is not given. */
  readonly fallback: T;
  /** Variables that replace the fallback, the first that is set wins. */
  readonly env?: readonly string[];
  /** Not shown in help. */
  readonly hidden?: boolean;
  /** Accepted for Buildah's sake; documented there as without effect. */
  readonly ignored?: boolean;
  /** Why bld does not provide it: E_UNSUPPORTED when used with another value than the fallback. */
  readonly unsupported?: string;
  /** Turns one value into T (scalars; undefined: not given), or into one more item (lists). A thrown message becomes `invalid argument … : message`. */
  readonly read: (text: string) => unknown;
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;

type Camel<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;

/** What a handler receives: `tls-verify` becomes `tlsVerify`. */
export type Values<F> = {
  readonly [K in keyof F & string as Camel<K>]: F[K] extends Flag<infer T> ? T : never;
};

export type Group = 'Containers' | 'Images' | 'Manifest lists' | 'Cache' | 'Registries' | 'Environment';

export interface Arguments {
  readonly min?: number;
  readonly max?: number;
  /** Said when there are fewer than `min`; cobra's own sentence otherwise. */
  readonly missing?: string;
  /** Said when there are more than `max`. */
  readonly excess?: string;
  /**
   * What follows the first argument: `strict` refuses flags there, `free` reads them, `command` leaves all of it to the
   * program that a container runs (one `--` between is dropped), `program` is a program's command line from its start.
   */
  readonly after: 'strict' | 'free' | 'command' | 'program';
}

export interface CommandSpec<F extends Flags = Flags> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly group: Group;
  /** One line, no full stop. */
  readonly summary: string;
  /** A paragraph or two for `help NAME` and the man page. */
  readonly description?: string;
  /** What follows the name: `[flags] IMAGE [DESTINATION]`. */
  readonly usage: string;
  readonly examples: readonly [string, ...string[]];
  readonly flags: F;
  readonly args: Arguments;
  readonly hidden?: boolean;
}

/** A command's work: words in, a value out; printing is output.ts's. Errors are BldErrors. */
export type Handler<F extends Flags> = (
  context: Context,
  options: Values<F>,
  args: readonly string[],
) => Outcome | Promise<Outcome>;

/** Gives a command record its exact type. */
export function defineCommand<const F extends Flags>(spec: CommandSpec<F>): CommandSpec<F> {
  return spec;
}

/** `tls-verify` as a property name. */
export function camel(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
