import { didYouMean } from '../base/suggest.ts';
import { splitBlanks, trim } from './characters.ts';
import { at, Complaint } from './errors.ts';
import { FLAGS } from './flag-table.ts';
import { type FlagValues, readFlags, splitFlags } from './flags.ts';
import { readHealthcheck } from './healthcheck.ts';
import { heredocMark, heredocText } from './heredoc.ts';
import { unknownInstruction } from './hints.ts';
import type { CommandText, Instruction, RunCommand } from './instruction.ts';
import { checkMount } from './mount.ts';
import { type Node, parseFile } from './parse.ts';
import { execForm, type Pair, splitPairs, splitWords } from './words.ts';

interface Reading {
  readonly node: Node;
  /** Upper case. */
  readonly keyword: string;
  readonly flags: FlagValues;
}

type Form = (reading: Reading) => Instruction;

const FORMS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ['FROM', readFrom],
  ['ARG', readArg],
  ['ENV', readPairs('env')],
  ['LABEL', readPairs('label')],
  ['RUN', readRun],
  ['COPY', readCopy('copy')],
  ['ADD', readCopy('add')],
  ['CMD', ({ node }) => ({ kind: 'cmd', node, command: commandOf(node.text) })],
  ['ENTRYPOINT', ({ node }) => ({ kind: 'entrypoint', node, command: commandOf(node.text) })],
  ['SHELL', readShell],
  ['EXPOSE', readExpose],
  ['VOLUME', readVolume],
  ['USER', readWord('user')],
  ['WORKDIR', readWord('workdir')],
  ['STOPSIGNAL', readWord('stopsignal')],
  ['MAINTAINER', readWord('maintainer')],
  ['HEALTHCHECK', readHealth],
  ['ONBUILD', readOnbuild],
]);

/** The instruction that a node is. Throws DockerfileError at the node. */
export function interpret(node: Node): Instruction {
  return at(node, () => interpretNode(node));
}

/** The instructions that a base image leaves for its children (`config.OnBuild`). Throws DockerfileError. */
export function parseTriggers(texts: readonly string[], image: string): Instruction[] {
  return texts
    .flatMap((text) => parseFile(text, `ONBUILD of ${image}`).nodes)
    .map((node) => {
      at(node, () => refuseTrigger(node.keyword));
      return interpret(node);
    });
}

function interpretNode(node: Node): Instruction {
  const keyword = node.keyword.toUpperCase();
  const read = FORMS.get(keyword);
  if (!read) throw unknownInstruction(node, FORMS.keys());
  return read({ node, keyword, flags: readFlags(keyword, node.flags, FLAGS[keyword] ?? {}) });
}

function readFrom({ node, flags }: Reading): Instruction {
  const words = node.text === '' ? [] : splitBlanks(node.text);
  const [image = '', as, name] = words;
  if (words.length !== 1 && (words.length !== 3 || as?.toUpperCase() !== 'AS')) {
    throw new Complaint('FROM requires either one or three arguments', {
      ...(as && { near: as }),
      hint:
        words.length === 2 && as?.toUpperCase() !== 'AS'
          ? `FROM ${image} AS ${as}`
          : 'FROM image, or FROM image AS name',
    });
  }
  if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/i.test(name)) {
    throw new Complaint(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
      { near: name },
    );
  }
  const platform = flags.text('platform');
  return {
    kind: 'from',
    node,
    image,
    after: flags.list('after'),
    ...(platform !== undefined && platform !== '' && { platform }),
    ...(name !== undefined && { name }),
  };
}

function readArg({ node, keyword }: Reading): Instruction {
  const words = needSome(splitWords(node.text, node.escape), keyword);
  const args = words.map((word) => {
    const equals = word.indexOf('=');
    return equals < 0 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  refuseBlankNames(args, keyword);
  return { kind: 'arg', node, args };
}

function readPairs(kind: 'env' | 'label') {
  return ({ node, keyword }: Reading): Instruction => {
    const { pairs, isLegacy } = splitPairs(node.text, keyword, node.escape);
    needSome(pairs, keyword);
    refuseBlankNames(pairs, keyword);
    return { kind, node, pairs, isLegacy };
  };
}

function readRun({ node, flags }: Reading): Instruction {
  const mounts = flags.list('mount');
  for (const mount of mounts) checkMount(mount);
  const network = oneOf(flags.text('network') ?? 'default', ['default', 'none', 'host'], 'network mode');
  const security = oneOf(flags.text('security') ?? 'sandbox', ['sandbox', 'insecure'], 'security mode');
  const devices = flags.list('device').map((text) => {
    const [name = '', ...options] = text.split(',');
    for (const option of options) oneOf(option, ['required'], 'device option');
    return { name, isRequired: options.length > 0 };
  });
  return { kind: 'run', node, command: runCommandOf(node), mounts, network, security, devices };
}

/** A lone heredoc is the script itself; heredocs among other words are left to the shell, put together again. */
function runCommandOf(node: Node): RunCommand {
  const [first] = node.heredocs;
  if (!first) return nonEmpty(commandOf(node.text));
  if (heredocMark(node.text)) {
    const content = heredocText(first);
    return content.startsWith('#!')
      ? { form: 'script', name: first.name, content }
      : { form: 'shell', line: content };
  }
  const bodies = node.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`);
  return { form: 'shell', line: node.text + bodies.join('') };
}

function nonEmpty(command: CommandText): CommandText {
  if (command.form === 'exec' && command.argv.length === 0)
    throw new Complaint('RUN [] has no command to run');
  return command;
}

function readCopy(kind: 'copy' | 'add') {
  return ({ node, keyword, flags }: Reading): Instruction => {
    const words = execForm(node.text) ?? (node.text === '' ? [] : splitBlanks(node.text));
    const destination = words.at(-1);
    if (destination === undefined || words.length < 2) {
      throw new Complaint(
        `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
        { ...(destination && { near: destination }) },
      );
    }
    const isHeredoc = (word: string) => node.heredocs.length > 0 && heredocMark(word) !== undefined;
    if (isHeredoc(destination)) {
      throw new Complaint(`${keyword} cannot accept a heredoc as a destination`, { near: destination });
    }
    const texts = {
      from: flags.text('from'),
      chown: flags.text('chown'),
      chmod: flags.text('chmod'),
      checksum: flags.text('checksum'),
      keepGitDir: flags.bool('keep-git-dir'),
      unpack: flags.bool('unpack'),
    };
    return {
      kind,
      node,
      sources: words.slice(0, -1).filter((word) => !isHeredoc(word)),
      heredocs: node.heredocs,
      destination,
      link: flags.bool('link') ?? false,
      parents: flags.bool('parents') ?? false,
      exclude: flags.list('exclude'),
      ...definedOf(texts),
    };
  };
}

function definedOf<T extends object>(record: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function readShell({ node, keyword }: Reading): Instruction {
  const argv = execForm(node.text);
  if (!argv) {
    throw new Complaint('SHELL requires the arguments to be in JSON form', {
      hint: 'for example SHELL ["/bin/bash", "-c"]',
    });
  }
  return { kind: 'shell', node, argv: needSome(argv, keyword) };
}

function readExpose({ node, keyword }: Reading): Instruction {
  return { kind: 'expose', node, ports: needSome(node.text === '' ? [] : splitBlanks(node.text), keyword) };
}

function readVolume({ node, keyword }: Reading): Instruction {
  const words = execForm(node.text) ?? (node.text === '' ? [] : splitBlanks(node.text));
  const paths = needSome(words, keyword);
  if (paths.some((path) => trim(path) === ''))
    throw new Complaint('VOLUME specified can not be an empty string');
  return { kind: 'volume', node, paths };
}

function readWord(kind: 'user' | 'workdir' | 'stopsignal' | 'maintainer') {
  return ({ node, keyword }: Reading): Instruction => {
    if (node.text === '') throw new Complaint(`${keyword} requires exactly one argument`);
    return { kind, node, word: node.text };
  };
}

function readHealth({ node, flags }: Reading): Instruction {
  return { kind: 'healthcheck', node, check: readHealthcheck(node.text, flags) };
}

function readOnbuild({ node, keyword }: Reading): Instruction {
  const [inner = '', rest = ''] = needSome(node.text === '' ? [] : splitBlanks(node.text, 2), keyword);
  refuseTrigger(inner);
  const { flags, rest: text } = splitFlags(rest);
  const trigger = interpretNode({ ...node, keyword: inner, flags, text, original: node.text });
  const bodies = node.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`);
  return { kind: 'onbuild', node, trigger, text: node.text + bodies.join('') };
}

function refuseTrigger(keyword: string): void {
  const name = keyword.toUpperCase();
  if (name === 'ONBUILD') {
    throw new Complaint("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", { near: keyword });
  }
  if (name === 'FROM' || name === 'MAINTAINER') {
    throw new Complaint(`${name} isn't allowed as an ONBUILD trigger`, { near: keyword });
  }
}

function commandOf(text: string): CommandText {
  const argv = execForm(text);
  return argv ? { form: 'exec', argv } : { form: 'shell', line: text };
}

function needSome<T>(items: readonly T[], keyword: string): readonly T[] {
  if (items.length === 0) throw new Complaint(`${keyword} requires at least one argument`);
  return items;
}

function refuseBlankNames(pairs: readonly Pick<Pair, 'name'>[], keyword: string): void {
  if (pairs.some(({ name }) => name === '')) throw new Complaint(`${keyword} names can not be blank`);
}

function oneOf<T extends string>(text: string, options: readonly T[], what: string): T {
  const option = options.find((one) => one === text);
  if (option !== undefined) return option;
  throw new Complaint(`invalid ${what} ${JSON.stringify(text)}${didYouMean(text, options)}`, {
    near: text,
    hint: `it is one of ${options.join(', ')}`,
  });
}
