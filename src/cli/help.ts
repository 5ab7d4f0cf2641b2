/** Help texts. Commander holds the tree of commands and lays the words out; no other file knows it. */
import { styleText } from 'node:util';
import { Command, type Help, Option } from 'commander';
import { globalFlags, rootFlags } from './globals.ts';
import type { CommandSpec, Flag, Flags, Group } from './spec.ts';

export interface HelpLayout {
  /** Terminal columns; at most 100 are used. */
  readonly width: number;
  readonly colour: boolean;
}

const SUMMARY = 'Build OCI images without a daemon: step by step from a shell script, or from a Dockerfile.';

const GROUPS: readonly Group[] = [
  'Containers',
  'Images',
  'Manifest lists',
  'Cache',
  'Registries',
  'Environment',
];

function optionOf(name: string, flag: Flag<unknown>, heading: string): Option {
  const short = flag.short === undefined ? '' : `-${flag.short}, `;
  const value = flag.value ?? 'VALUE';
  const shown = flag.kind === 'bool' ? '' : flag.bare === undefined ? ` <${value}>` : ` [${value}]`;
  const fallback = flag.fallback;
  const isSaid =
    fallback !== undefined && fallback !== false && !(Array.isArray(fallback) && fallback.length === 0);
  const words = isSaid ? `${flag.summary} (default ${String(fallback)})` : flag.summary;
  const option = new Option(`${short}--${name}${shown}`, words);
  option.helpGroup(heading);
  return option.hideHelp(Boolean(flag.hidden || flag.ignored || flag.unsupported));
}

function addFlags(command: Command, flags: Flags, heading: string): void {
  const entries = Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, flag] of entries) command.addOption(optionOf(name, flag, heading));
}

/** Terms as pflag shows them: `<PATH>` without brackets, long names under each other. */
function optionTerm(option: Option): string {
  const term = option.flags.replace(/ <(.*)>$/, ' $1').replace(/ \[(.*)\]$/, '[=$1]');
  return option.short === undefined ? `    ${term}` : term;
}

function configure(command: Command, { width, colour }: HelpLayout): Command {
  const style: Partial<Help> = {
    helpWidth: Math.min(width, 100),
    optionTerm,
    subcommandTerm: (sub) => sub.name(),
    ...(colour && {
      styleTitle: (title: string) => styleText('bold', title, { validateStream: false }),
      styleOptionTerm: (term: string) => styleText('cyan', term, { validateStream: false }),
      styleSubcommandTerm: (term: string) => styleText('cyan', term, { validateStream: false }),
    }),
  };
  return command
    .configureHelp(style)
    .configureOutput({ getOutHelpWidth: () => Math.min(width, 100), getOutHasColors: () => colour })
    .helpOption(false)
    .helpCommand(false);
}

function commandOf(spec: CommandSpec, layout: HelpLayout): Command {
  const command = new Command(spec.name);
  configure(command, layout)
    .summary(spec.summary)
    .description(spec.description ?? `${spec.summary}.`)
    .usage(spec.usage)
    .helpGroup(`${spec.group}:`);
  addFlags(command, spec.flags, 'Flags:');
  const examples = spec.examples.map((line) => `  ${line}\n`).join('');
  const others = spec.aliases?.length ? `\nOther names: ${spec.aliases.join(', ')}\n` : '';
  return command.addHelpText('after', `${others}\nExamples:\n${examples}`.trimEnd());
}

/** The global flags as lines, to stand below the commands. */
function optionLines(program: Command): string {
  const helper = program.createHelp();
  const options = program.options.filter((option) => !option.hidden);
  const width = Math.max(...options.map((option) => helper.optionTerm(option).length));
  const items = options.map((option) =>
    helper.formatItem(
      helper.styleOptionTerm(helper.optionTerm(option)),
      width,
      helper.optionDescription(option),
      helper,
    ),
  );
  return helper.formatItemList('Global flags:', items, helper).join('\n');
}

function programOf(specs: readonly CommandSpec[], layout: HelpLayout): Command {
  const program = configure(new Command('bld'), layout)
    .usage('[global flags] COMMAND [flags] [arguments]')
    .description(SUMMARY);
  addFlags(program, { ...globalFlags, ...rootFlags }, '');
  program.configureHelp({ ...program.configureHelp(), visibleOptions: () => [] });
  const byGroup = [...specs].sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group));
  for (const spec of byGroup) program.addCommand(commandOf(spec, layout), { hidden: spec.hidden === true });
  return program.addHelpText(
    'after',
    () => `\n${optionLines(program)}\nRun bld help COMMAND for the flags of a command.`,
  );
}

function helpOf(command: Command): string {
  let all = '';
  command.configureOutput({
    writeOut: (part) => {
      all += part;
    },
  });
  command.outputHelp();
  return all;
}

/** `bld help`: all commands in their groups, then the global flags. */
export function programHelp(specs: readonly CommandSpec[], layout: HelpLayout): string {
  return helpOf(programOf(specs, layout));
}

/** `bld help NAME`. */
export function commandHelp(spec: CommandSpec, layout: HelpLayout): string {
  const program = programOf([spec], layout);
  const [command] = program.commands;
  if (!command) throw new Error('internal: the command tree is empty');
  return helpOf(command);
}
