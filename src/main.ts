/** The program's entry, and the only place that ends the process. The rest is loaded once the compile cache is on. */
import { accessSync, constants } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quickExit } from './base/exit.ts';
import type { Interruption } from './cli/interrupt.ts';

declare const BLD_VERSION: string | undefined;

/** Compiled code is kept beside the bundle where that can be written, else in the person's cache directory. */
function cacheDirectory(): string {
  try {
    accessSync(import.meta.dirname, constants.W_OK);
    return join(import.meta.dirname, '.cache');
  } catch {
    return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'bld', 'code');
  }
}

async function main(): Promise<number> {
  const { run, watchInterrupts } = await import('./cli/program.ts');
  const interrupts = watchInterrupts((code) => process.exit(code));
  const signals: readonly Interruption[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of signals) process.on(name, () => interrupts.arrive(name));
  return run({ argv: process.argv.slice(2), env: process.env, interrupts });
}

// the bundle alone: sources change under a developer's hands
if (typeof BLD_VERSION === 'string') enableCompileCache(cacheDirectory());
// all output is written by then: pipes, files and terminals are written to at once
main().then((code) => (quickExit() ?? process.exit)(code));
