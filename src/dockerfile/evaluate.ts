import { at, Complaint } from './errors.ts';
import { type Expansion, expand, expandWords } from './expand.ts';
import { heredocText } from './heredoc.ts';
import { ignoreMatcher } from './ignore.ts';
import type {
  ArgDeclaration,
  ArgInstruction,
  CommandInstruction,
  CopyInstruction,
  HealthcheckInstruction,
  Instruction,
  OnbuildInstruction,
  RunInstruction,
  ShellInstruction,
} from './instruction.ts';
import { type ModeChange, parseMode } from './mode.ts';
import { type Mount, parseMount } from './mount.ts';
import { type Owner, parseOwner } from './owner.ts';
import type { Node } from './parse.ts';
import { exposedPorts } from './ports.ts';
import { signalNumber } from './signals.ts';
import { argValue, type BuildInputs, mountsOf, PREDEFINED, type Variables } from './variables.ts';
import type { Pair } from './words.ts';

/** What the instructions of a stage know so far. */
export interface Scope {
  readonly inputs: BuildInputs;
  /** ENV and ARG together: what expansion and RUN see. The later one of a name wins. */
  readonly variables: Variables;
  /** Names that ARG declared, with their values, in their order. */
  readonly args: ReadonlyMap<string, string | undefined>;
}

/** An instruction with its variables expanded and its arguments understood: what the builder carries out. */
export type Step =
  | { readonly kind: 'arg'; readonly node: Node; readonly args: readonly ArgDeclaration[] }
  | { readonly kind: 'env' | 'label'; readonly node: Node; readonly pairs: readonly Pair[] }
  | RunStep
  | CopyStep
  | CommandInstruction
  | ShellInstruction
  | {
      readonly kind: 'expose';
      readonly node: Node;
      /** Single ports with their protocol: `8000/tcp`. */
      readonly ports: readonly string[];
      /** As expanded, for lint. */
      readonly written: readonly string[];
    }
  | { readonly kind: 'volume'; readonly node: Node; readonly paths: readonly string[] }
  | {
      readonly kind: 'user' | 'workdir' | 'stopsignal' | 'maintainer';
      readonly node: Node;
      readonly word: string;
    }
  | HealthcheckInstruction
  | OnbuildInstruction;

export type RunStep = Omit<RunInstruction, 'mounts'> & { readonly mounts: readonly Mount[] };

export type CopyStep = Omit<CopyInstruction, 'heredocs'> & {
  /** Files that the Dockerfile itself gives, before their names any `sources`. */
  readonly files: readonly { readonly name: string; readonly content: string }[];
  readonly owner?: Owner;
  readonly mode?: ModeChange;
};

export interface Evaluation {
  readonly step: Step;
  /** For the next instruction. */
  readonly scope: Scope;
  /** Variables that were used and not set. */
  readonly unset: readonly string[];
}

/** `environment` is the base image's `config.Env`; a stage that stands on another goes on with that one's scope. */
export function openScope(inputs: BuildInputs, environment: readonly string[]): Scope {
  const variables = new Map<string, string>();
  for (const entry of environment) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return { inputs, variables, args: new Map() };
}

/** The environment of a RUN, without what the builder adds (HOME, a default PATH): `NAME=value`. */
export function runEnvironment(scope: Scope): string[] {
  const proxies = [...scope.inputs.buildArgs].filter(
    ([name]) => PREDEFINED.has(name) && !scope.variables.has(name),
  );
  return [...scope.variables, ...proxies].map(([name, value]) => `${name}=${value}`);
}

/** Expands an instruction in its scope. Throws DockerfileError at the instruction; FROM belongs to the plan. */
export function evaluate(instruction: Instruction, scope: Scope): Evaluation {
  const unset = new Set<string>();
  const lookup = (name: string) => scope.variables.get(name);
  const noted = (expansion: Expansion) => {
    for (const name of expansion.unmatched) if (!scope.args.has(name)) unset.add(name);
    return expansion;
  };
  const options = { escape: scope.inputs.escape };
  const evaluator: Evaluator = {
    scope,
    word: (text) => noted(expand(text, lookup, options)).text,
    words: (text) => expandWords(text, lookup, options),
    // A heredoc's escape token is the backslash whatever the file chose; its quotes are ordinary characters.
    body: (text) => noted(expand(text, lookup, { plainQuotes: true, limit: 64 << 20 })).text,
    noteUnset: (name) => unset.add(name),
  };
  const { step, scope: next = scope } = at(instruction.node, () => evaluated(instruction, evaluator));
  return { step, scope: next, unset: [...unset] };
}

interface Evaluator {
  readonly scope: Scope;
  word(text: string): string;
  words(text: string): readonly string[];
  body(text: string): string;
  noteUnset(name: string): void;
}

function evaluated(instruction: Instruction, evaluator: Evaluator): { step: Step; scope?: Scope } {
  const { word } = evaluator;
  switch (instruction.kind) {
    case 'from':
      throw new Error('internal: FROM is evaluated by the plan');
    case 'arg':
      return evaluatedArgs(instruction, evaluator);
    case 'env':
    case 'label': {
      const { kind, node } = instruction;
      const pairs = instruction.pairs.map(({ name, value }) => ({ name: word(name), value: word(value) }));
      if (kind === 'label') return { step: { kind, node, pairs } };
      const variables = withPairs(evaluator.scope.variables, pairs);
      return { step: { kind, node, pairs }, scope: { ...evaluator.scope, variables } };
    }
    case 'run':
      return {
        step: {
          ...instruction,
          mounts: mountsOf(instruction.mounts, evaluator.scope.inputs).map((text) => parseMount(text, word)),
        },
      };
    case 'copy':
    case 'add':
      return { step: evaluatedCopy(instruction, evaluator) };
    case 'expose': {
      const written = instruction.ports.flatMap(evaluator.words);
      return { step: { kind: 'expose', node: instruction.node, ports: exposedPorts(written), written } };
    }
    case 'volume': {
      const paths = instruction.paths.map(word);
      if (paths.includes('')) throw new Complaint('VOLUME specified can not be an empty string');
      return { step: { ...instruction, paths } };
    }
    case 'stopsignal': {
      const signal = word(instruction.word);
      signalNumber(signal);
      return { step: { ...instruction, word: signal } };
    }
    case 'user':
    case 'workdir':
      return { step: { ...instruction, word: word(instruction.word) } };
    default:
      // The shell of the image expands commands; a trigger is expanded where it runs.
      return { step: instruction };
  }
}

/** Each declaration sees those before it, on the same line too. */
function evaluatedArgs(instruction: ArgInstruction, evaluator: Evaluator): { step: Step; scope: Scope } {
  const { inputs } = evaluator.scope;
  const variables = new Map(evaluator.scope.variables);
  const args = new Map(evaluator.scope.args);
  const own = (text: string) => {
    const expansion = expand(text, (name) => variables.get(name), { escape: inputs.escape });
    for (const name of expansion.unmatched) if (!args.has(name)) evaluator.noteUnset(name);
    return expansion.text;
  };
  const declared = instruction.args.map((declaration) => {
    const name = own(declaration.name);
    const value = argValue({ ...declaration, name }, inputs, own);
    if (value !== undefined) variables.set(name, value);
    args.set(name, value ?? args.get(name));
    return value === undefined ? { name } : { name, value };
  });
  return {
    step: { kind: 'arg', node: instruction.node, args: declared },
    scope: { inputs, variables, args },
  };
}

function evaluatedCopy(instruction: CopyInstruction, { word, body }: Evaluator): CopyStep {
  const { heredocs, from, chown, chmod, checksum, ...rest } = instruction;
  const texts = {
    ...(from !== undefined && { from: word(from) }),
    ...(chown !== undefined && { chown: word(chown) }),
    ...(chmod !== undefined && { chmod: word(chmod) }),
    ...(checksum !== undefined && { checksum: checkedChecksum(word(checksum)) }),
  };
  const destination = word(rest.destination);
  const exclude = rest.exclude.map(word);
  ignoreMatcher(exclude);
  const dashed = rest.sources.find((source) => /^-[a-z]/.test(source));
  if (rest.sources.length + heredocs.length > 1 && !/(?:^|\/)\.{0,2}$/.test(destination)) {
    throw new Complaint(
      `When using ${rest.kind.toUpperCase()} with more than one source file, the destination must be a directory and end with a /`,
      dashed === undefined
        ? { near: rest.destination, hint: `write ${destination}/` }
        : { near: dashed, hint: `flags start with two dashes: -${dashed}` },
    );
  }
  const sources = rest.sources.map((text) => word(keepingEscapes(text)));
  const remote = sources.findIndex((source) => /^https?:\/\//i.test(source));
  if (rest.kind === 'copy' && remote >= 0) {
    throw new Complaint("source can't be a URL for COPY", {
      near: rest.sources[remote] ?? '',
      hint: 'ADD downloads',
    });
  }
  return {
    ...rest,
    ...texts,
    sources,
    destination,
    exclude,
    files: heredocs.map((heredoc) => {
      const content = heredocText(heredoc);
      return { name: heredoc.name, content: heredoc.expand ? body(content) : content };
    }),
    ...(texts.chown && { owner: parseOwner(texts.chown) }),
    ...(texts.chmod && { mode: parseMode(texts.chmod) }),
  };
}

/** A source is a pattern: what is escaped for it stays escaped. */
function keepingEscapes(text: string): string {
  return text.includes("'") ? text : text.replace(/\\(?=[*?[\]\\])/g, '\\\\');
}

function checkedChecksum(text: string): string {
  if (/^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/.test(text)) return text;
  if (/^[0-9a-f]{7,64}$/.test(text)) return text;
  throw new Complaint(`invalid checksum ${JSON.stringify(text)}`, {
    near: text,
    hint: 'it is sha256: and 64 hexadecimal digits, or the commit of a git source',
  });
}

function withPairs(variables: Variables, pairs: readonly Pair[]): Variables {
  const next = new Map(variables);
  for (const { name, value } of pairs) next.set(name, value);
  return next;
}
