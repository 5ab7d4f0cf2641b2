import { withoutLogins } from '../base/logins.ts';
import { argvOf, type ConfigRecord, resolveWorkdir, shellOf } from './config.ts';
import { formatDuration } from './duration.ts';
import type { CopyStep, RunStep, Scope, Step } from './evaluate.ts';
import type { CommandText, Healthcheck, OnbuildInstruction, RunCommand } from './instruction.ts';

/** What a history entry needs besides the step. */
export interface HistoryContext {
  /** Before the step. */
  readonly config: ConfigRecord;
  /** After an ARG, before all else. */
  readonly scope: Scope;
}

export interface HistoryText {
  readonly createdBy: string;
  /** The step adds no layer. WORKDIR may: when it makes its directory. */
  readonly isEmptyLayer: boolean;
}

/** `created_by` of a step as BuildKit writes it; undefined for ONBUILD, which leaves none. */
export function historyOf(step: Step, context: HistoryContext): HistoryText | undefined {
  if (step.kind === 'onbuild') return undefined;
  if (step.kind === 'run') {
    return { createdBy: `RUN ${runText(step.command, context)} # buildkit`, isEmptyLayer: false };
  }
  if ('destination' in step) {
    return { createdBy: `${copyText(step)} # buildkit`, isEmptyLayer: false };
  }
  return { createdBy: plainText(step, context.config), isEmptyLayer: step.kind !== 'workdir' };
}

function plainText(
  step: Exclude<Step, RunStep | CopyStep | OnbuildInstruction>,
  config: ConfigRecord,
): string {
  const keyword = step.kind.toUpperCase();
  switch (step.kind) {
    case 'arg':
      return `ARG ${step.args.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join(' ')}`;
    case 'env':
    case 'label':
      return `${keyword} ${step.pairs.map(({ name, value }) => `${name}=${value}`).join(' ')}`;
    case 'cmd':
    case 'entrypoint':
      return `${keyword} [${argvOf(step.command, config).map(quoted).join(' ')}]`;
    case 'shell':
      return `SHELL [${step.argv.join(' ')}]`;
    case 'expose':
      return `EXPOSE [${step.ports.join(' ')}]`;
    case 'volume':
      return `VOLUME [${step.paths.join(' ')}]`;
    case 'workdir':
      return `WORKDIR ${step.word.startsWith('/') ? step.word : resolveWorkdir(config.WorkingDir, step.word)}`;
    case 'healthcheck':
      return `HEALTHCHECK ${healthText(step.check)}`;
    default:
      return `${keyword} ${step.word}`;
  }
}

/** `|2 A=1 B= /bin/sh -c …`: the ARGs declared so far in front of the command. */
function runText(command: RunCommand, { config, scope }: HistoryContext): string {
  const args = [...scope.args].map(([name, value]) => `${name}=${scope.variables.get(name) ?? value ?? ''}`);
  const head = args.length > 0 ? [`|${args.length}`, ...args] : [];
  return [...head, ...runArgv(command, config)].join(' ');
}

/** What a RUN starts: the shell with its line, a script's path for the shell, or argv as it is. */
export function runArgv(command: RunCommand, config: ConfigRecord): string[] {
  if (command.form === 'script') return [...shellOf(config), scriptPath(command.name)];
  return argvOf(command satisfies CommandText, config);
}

/** Where the file of a `#!` heredoc is during its RUN. */
export function scriptPath(name: string): string {
  return `/dev/pipes/${name}`;
}

function copyText(step: CopyStep): string {
  const flags = [
    step.parents ? '--parents' : '',
    step.chown ? `--chown=${step.chown}` : '',
    step.chmod ? `--chmod=${step.chmod}` : '',
  ].filter((flag) => flag !== '');
  const files = step.files.map(({ name }) => `<<${name}`);
  const sources = step.sources.map(withoutLogins);
  return [step.kind.toUpperCase(), ...flags, ...sources, ...files, step.destination].join(' ');
}

/** As Go's `%q` shows the struct: durations as text, the number of retries as a character. */
function healthText(check: Healthcheck): string {
  const durations = [check.Interval, check.Timeout, check.StartPeriod, check.StartInterval];
  const texts = durations.map((duration) => quoted(formatDuration(duration ?? 0)));
  const retries = literal(String.fromCodePoint(Math.min(check.Retries ?? 0, 0x10ffff)), "'");
  return `&{[${check.Test.map(quoted).join(' ')}] ${texts.join(' ')} ${retries}}`;
}

const SHORT: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

function quoted(text: string): string {
  return literal(text, '"');
}

/** As Go writes strings and runes. */
function literal(text: string, mark: '"' | "'"): string {
  const escaped = [...text].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    const short = SHORT[character];
    if (character === mark) return `\\${mark}`;
    if (short !== undefined) return short;
    if (character === ' ' || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(character)) return character;
    const hex = code.toString(16);
    if (code < 0x80) return `\\x${hex.padStart(2, '0')}`;
    return code > 0xffff ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
  });
  return mark + escaped.join('') + mark;
}
