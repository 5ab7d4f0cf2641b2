/** What ends the process without taking Node apart, where there is something that can. */
let quick: ((code: number) => never) | undefined;

/** Lends an `_exit(2)`. */
export function lendExit(exit: (code: number) => never): void {
  quick = exit;
}

/** The lent one. A profiler needs Node's own end: it writes what it found then. */
export function quickExit(): ((code: number) => never) | undefined {
  return process.execArgv.some((flag) => flag.includes('-prof')) ? undefined : quick;
}
