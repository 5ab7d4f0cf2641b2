import { didYouMean } from '../base/suggest.ts';
import { splitBlanks } from './characters.ts';
import { Complaint, DockerfileError } from './errors.ts';
import { expand } from './expand.ts';
import type { FromInstruction } from './instruction.ts';
import type { LintOptions, Warn } from './lint.ts';
import type { Node, ParsedFile } from './parse.ts';
import { globalVariables, type Outline } from './plan.ts';
import { isImageName } from './reference.ts';
import { platformVariables } from './variables.ts';

const RESERVED = ['scratch', 'context'];

/** Rules that look at one instruction as written, even where it is wrong otherwise. */
export function lintSyntax(node: Node, warn: Warn): void {
  const keyword = node.keyword.toUpperCase();
  if (node.hasEmptyContinuation) {
    const { end } = node.range;
    warn('NoEmptyContinuation', 'Empty continuation line', { ...node, range: { start: end, end } });
  }
  if (keyword === 'MAINTAINER') {
    const message = 'Maintainer instruction is deprecated in favor of using label';
    warn('MaintainerDeprecated', message, node, node.keyword);
  }
  const [, as, name] = keyword === 'FROM' ? splitBlanks(node.text) : [];
  if (name !== undefined && name !== name.toLowerCase()) {
    warn('StageNameCasing', `Stage name '${name}' should be lowercase`, node, name);
  }
  if (name !== undefined && as !== undefined && isMixed(node.keyword, as)) {
    warn('FromAsCasing', `'${as}' and '${node.keyword}' keywords' casing do not match`, node, as);
  }
}

function isMixed(from: string, as: string): boolean {
  if (from === from.toLowerCase()) return as !== as.toLowerCase();
  return from === from.toUpperCase() && as !== as.toUpperCase();
}

/** Rules that compare instructions with each other. */
export function lintOutline({ globalArgs, stages }: Outline, warn: Warn): void {
  const nodes = stages.flatMap(({ from, instructions }) => [from, ...instructions]).map(({ node }) => node);
  const isLower = (word: string) => word === word.toLowerCase();
  const isUpper = (word: string) => word === word.toUpperCase();
  const lower = nodes.filter(({ keyword }) => isLower(keyword)).length;
  const upper = nodes.filter(({ keyword }) => isUpper(keyword)).length;
  const [fits, majority] = lower > upper ? [isLower, 'lowercase'] : [isUpper, 'uppercase'];
  for (const node of [...globalArgs.map((arg) => arg.node), ...nodes]) {
    if (fits(node.keyword)) continue;
    const message = `Command '${node.keyword}' should match the case of the command majority (${majority})`;
    warn('ConsistentInstructionCasing', message, node, node.keyword);
  }
  const names = new Set<string>();
  for (const { from } of stages) {
    const name = from.name?.toLowerCase();
    if (name === undefined) continue;
    const quoted = JSON.stringify(name);
    if (names.has(name)) {
      warn(
        'DuplicateStageName',
        `Duplicate stage name ${quoted}, stage names should be unique`,
        from.node,
        from.name,
      );
    }
    if (RESERVED.includes(name)) {
      const message = `Stage name should not use the same name as reserved stage ${quoted}`;
      warn('ReservedStageName', message, from.node, from.name);
    }
    names.add(name);
  }
  const args = [...globalArgs, ...stages.flatMap(({ instructions }) => instructions)];
  for (const arg of args) {
    if (arg.kind === 'arg')
      lintDescription(
        arg.node,
        arg.args.map(({ name }) => name),
        warn,
      );
  }
  for (const { from } of stages) lintDescription(from.node, from.name === undefined ? [] : [from.name], warn);
}

function lintDescription(node: Node, names: readonly string[], warn: Warn): void {
  const [first] = names;
  const [word = ''] = node.comments.at(-1)?.split(' ') ?? [];
  if (first === undefined || node.comments.length === 0 || names.includes(word)) return;
  const shown = names.length > 1 ? '<arg_key>' : first;
  const message = `Comment for ${node.keyword.toUpperCase()} should follow the format: \`# ${shown} <description>\``;
  warn('InvalidDefinitionDescription', message, node);
}

interface FileContext {
  readonly file: ParsedFile;
  readonly options: LintOptions;
  readonly warn: Warn;
}

/** Rules about FROM: image names and platforms, as the global ARGs make them. */
export function lintGlobals(outline: Outline, { file, options, warn }: FileContext): void {
  const buildArgs = options.buildArgs ?? new Map<string, string>();
  const platforms = { build: options.buildPlatform, target: options.targetPlatform };
  const valuesWith = (given: ReadonlyMap<string, string>) => {
    const globals = platformVariables(platforms, options.target || 'default', given);
    return globalVariables(outline.globalArgs, { escape: file.directives.escape, buildArgs: given, globals });
  };
  const declared = new Set(outline.globalArgs.flatMap(({ args }) => args.map(({ name }) => name)));
  unlessBroken(() => {
    const values = valuesWith(buildArgs);
    const stages = new Set<string>();
    const defaults = valuesWith(new Map());
    for (const { from } of outline.stages) {
      const isKnown = (name: string) => values.has(name) || declared.has(name);
      for (const name of unsetIn(from.image, values, from)) {
        if (isKnown(name)) continue;
        const guess = didYouMean(name, [...values.keys()]);
        warn('UndefinedArgInFrom', `FROM argument '${name}' is not declared${guess}`, from.node, name);
      }
      lintDefaults(from, { defaults, stages, warn });
      lintPlatform(from, { values, warn });
      if (from.name !== undefined) stages.add(from.name.toLowerCase());
    }
  });
}

interface DefaultsContext {
  readonly defaults: ReadonlyMap<string, string>;
  readonly stages: ReadonlySet<string>;
  readonly warn: Warn;
}

function lintDefaults(from: FromInstruction, { defaults, stages, warn }: DefaultsContext): void {
  const name = expand(from.image, (one) => defaults.get(one), { escape: from.node.escape }).text;
  if (stages.has(name.toLowerCase()) || isImageName(name)) return;
  const message = `Default value for ARG ${from.image} results in empty or invalid base image name`;
  warn('InvalidDefaultArgInFrom', message, from.node, from.image);
}

function lintPlatform(
  from: FromInstruction,
  { values, warn }: { readonly values: ReadonlyMap<string, string>; readonly warn: Warn },
): void {
  const { platform, node } = from;
  if (platform === undefined) return;
  for (const name of unsetIn(platform, values, from)) {
    const guess = didYouMean(name, [...values.keys()]);
    warn('UndefinedArgInFrom', `FROM argument '${name}' is not declared${guess}`, node, name);
  }
  if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(platform)) {
    const message = `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`;
    warn('RedundantTargetPlatform', message, node, platform);
  }
  if (platform.includes('$') || isNamedAfter(from.name ?? '', platform)) return;
  const message = `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`;
  warn('FromPlatformFlagConstDisallowed', message, node, platform);
}

/** `build_amd64` says what it is: such stages are chosen by platform. */
function isNamedAfter(stage: string, platform: string): boolean {
  return platform.split('/').some((part) => part !== '' && stage.toLowerCase().includes(part.toLowerCase()));
}

function unsetIn(text: string, values: ReadonlyMap<string, string>, from: FromInstruction): string[] {
  return [...expand(text, (name) => values.get(name), { escape: from.node.escape }).unmatched];
}

/** What cannot be expanded is an error of the plan, which reports it. */
function unlessBroken(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof DockerfileError) && !(error instanceof Complaint)) throw error;
  }
}
