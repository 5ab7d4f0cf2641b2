/** From words to work: finds the command, reads its flags, runs its handler, prints what it hands back. */
import { configureLog, type Level } from '../base/log.ts';
import {
  checkArguments,
  completeValues,
  flagTable,
  type Given,
  readCommand,
  readFlags,
  usageError,
} from './argv.ts';
import { aliases, commands, type Entry } from './catalogue.ts';
import { type Context, makeContext } from './context.ts';
import { exitCodeOf, failureText } from './failure.ts';
import { type Globals, globalFlags, rootFlags } from './globals.ts';
import type { Interrupts } from './interrupt.ts';

export { watchInterrupts } from './interrupt.ts';

import { type Outcome, OutputClosed, print, text, writeLog } from './output.ts';
import type { CommandSpec, Flags } from './spec.ts';
import { nearest } from './suggest.ts';

export interface Process {
  /** Without node and the script. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly interrupts: Interrupts;
}

const LEVELS: Readonly<Record<string, Level>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
};
/** What a shell shows for a program that a closed pipe ended. */
const SIGPIPE = 141;

function applyGlobals(globals: Globals): void {
  configureLog({
    level: globals.debug ? 'debug' : (LEVELS[globals.logLevel] ?? 'error'),
    format: globals.logFormat,
    write: writeLog,
  });
}

/** The command's name, of two words where the first is that of a group, and what follows it. */
function commandWords(
  first: string,
  rest: readonly string[],
): readonly [name: string, rest: readonly string[]] {
  const [second = '', ...others] = rest;
  const members = groupMembers(first);
  if (members.length === 0) return [first, rest];
  if (members.includes(second)) return [`${first} ${second}`, others];
  const near = nearest(second, members);
  const what =
    second === '' ? `bld ${first} needs a command` : `unknown command "${second}" for "bld ${first}"`;
  throw usageError(what, near ? `did you mean ${near}?` : `there are ${members.join(', ')}`);
}

function groupMembers(first: string): readonly string[] {
  return Object.keys(commands).flatMap((name) =>
    name.startsWith(`${first} `) ? [name.slice(first.length + 1)] : [],
  );
}

function find(name: string): Entry {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  const found = entry ?? (alias === undefined ? undefined : commands[alias]);
  if (found) return found;
  const near = nearest(name, [...Object.keys(commands), ...Object.keys(aliases), 'help']);
  throw usageError(`unknown command "${name}" for "bld"`, near ? `did you mean ${near}?` : 'see bld help');
}

async function help(topic: string | undefined, env: NodeJS.ProcessEnv): Promise<Outcome> {
  const { commandHelp, programHelp } = await import('./help.ts');
  const isTerminal = process.stdout.isTTY === true;
  const layout = {
    width: isTerminal ? process.stdout.columns : 100,
    colour: isTerminal && !env.NO_COLOR && env.TERM !== 'dumb',
  };
  const specsOf = (entries: readonly Entry[]) => Promise.all(entries.map((entry) => entry.words()));
  if (topic !== undefined) {
    const members = groupMembers(topic).map((member) => find(`${topic} ${member}`));
    if (members.length > 0) return text(programHelp(await specsOf(members), layout));
    return text(commandHelp(await find(topic).words(), layout));
  }
  const specs = await specsOf(Object.values(commands));
  return text(programHelp(specs, layout));
}

async function version(): Promise<Outcome> {
  const { versionLine } = await import('./identity.ts');
  return text(`${versionLine()}\n`);
}

function readCommandWords(
  spec: CommandSpec,
  words: readonly string[],
  { given, env }: { readonly given: Given; readonly env: NodeJS.ProcessEnv },
) {
  // a command's own flag hides the global one of the same name, which may have been given before the command
  const own: Given = new Map();
  const table = flagTable(spec.flags, globalFlags);
  try {
    const { args, help: wantsHelp } = readFlags(table, words, { after: spec.args.after, given: own });
    return { args, wantsHelp, options: () => completeValues(spec.flags as Flags, own, env) };
  } finally {
    // also when a word is refused: the error is shown as they say
    for (const [name, value] of own) if (!(name in spec.flags)) given.set(name, value);
  }
}

function done(outcome: Outcome): number {
  print(outcome);
  return 0;
}

/** The store is closed and the progress drawn to its end before the result is printed. */
async function within(context: Context & Disposable, work: (context: Context) => Outcome | Promise<Outcome>) {
  using _ = context;
  return await work(context);
}

async function perform(given: Given, { argv, env, interrupts }: Process): Promise<number> {
  const { command, rest, help: wantsHelp } = readCommand(flagTable(globalFlags, rootFlags), argv, given);
  if (given.get('version') === true) return done(await version());
  if (wantsHelp || command === undefined) return done(await help(undefined, env));
  if (command === 'help') return done(await help(rest.length > 0 ? rest.join(' ') : undefined, env));
  if (groupMembers(command).length > 0 && /^(?:-h|--help)$/.test(rest[0] ?? '')) {
    return done(await help(command, env));
  }
  const [name, words] = commandWords(command, rest);
  const entry = find(name);
  const spec = await entry.words();
  const read = readCommandWords(spec, words, { given, env });
  const globals = completeValues(globalFlags, given, env) as Globals;
  applyGlobals(globals);
  if (read.wantsHelp) return done(await help(spec.name, env));
  const options = read.options();
  checkArguments(spec.name, spec.args, read.args);
  const handle = await entry.work();
  return done(
    await within(makeContext(globals, env, interrupts), (context) => handle(context, options, read.args)),
  );
}

function report(error: unknown, given: Given, env: NodeJS.ProcessEnv): number {
  if (error instanceof OutputClosed) return SIGPIPE;
  const format = given.get('log-format') ?? env.BLD_LOG_FORMAT;
  const level = given.get('log-level') ?? env.BLD_LOG_LEVEL;
  const debug = given.get('debug') === true || level === 'debug' || level === 'trace';
  writeLog(failureText(error, { format: format === 'json' ? 'json' : 'text', debug }));
  return exitCodeOf(error);
}

/** Runs one command line; the exit code. Never throws: what fails is told on standard error. */
export async function run(whole: Process): Promise<number> {
  const given: Given = new Map();
  try {
    return await perform(given, whole);
  } catch (error) {
    return report(whole.interrupts.reason ?? error, given, whole.env);
  }
}
