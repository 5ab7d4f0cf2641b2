/** Go templates for `--format`: text in, text out, with Go's own errors. */
import { BldError } from '../base/errors.ts';
import { alignTabs } from './table.ts';
import type { Node } from './template/ast.ts';
import { ExecFault, execute } from './template/exec.ts';
import { templateFunctions } from './template/functions.ts';
import { SyntaxFault } from './template/lex.ts';
import { parse } from './template/parse.ts';
import { mapOf, type Type } from './template/types.ts';

export interface Template {
  /** The text for one value; E_USAGE with Go's sentence when the template asks for what is not there. */
  execute(value: unknown, type: Type): string;
}

const NAMES: ReadonlySet<string> = new Set(templateFunctions.keys());

function lineOf(source: string, at: number): number {
  return source.slice(0, at).split('\n').length;
}

/** `line:column`, the column in bytes as Go counts them. */
function position(source: string, at: number): string {
  const before = source.slice(0, at);
  const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
  return `${lineOf(source, at)}:${column}`;
}

function usage(message: string): BldError {
  return new BldError('E_USAGE', message);
}

/** `\n` and `\t` in a flag's text mean what they say. */
function unescaped(text: string): string {
  return text.replace(/\\([nt])/g, (_, letter) => (letter === 'n' ? '\n' : '\t'));
}

/**
 * Compiles a template; `name` stands in errors (`template: inspect:1: …`), `change` is applied to the text outside of
 * actions.
 */
export function compileTemplate(name: string, source: string, change = unescaped): Template {
  let nodes: readonly Node[];
  try {
    nodes = parse(source, NAMES, change);
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error;
    throw usage(`template parsing error: template: ${name}:${lineOf(source, error.at)}: ${error.message}`);
  }
  return {
    execute(value, type) {
      try {
        return execute(nodes, templateFunctions, { type, value });
      } catch (error) {
        if (!(error instanceof ExecFault)) throw error;
        const place = `${name}:${position(source, error.at)}`;
        throw usage(`template: ${place}: executing "${name}" at <${error.context}>: ${error.message}`);
      }
    },
  };
}

export interface ListTemplate {
  readonly source: string;
  readonly type: Type;
  /** Headings by field name, for `table `. */
  readonly headings: Readonly<Record<string, string>>;
  /** `--noheading`. */
  readonly noHeading: boolean;
}

/** Blanks part columns, as tabs do. */
function tabbed(text: string): string {
  return unescaped(text).replaceAll(' ', '\t');
}

/** A list's `--format`: one line a value, its columns aligned; `table ` in front adds headings. */
export function formatList(values: readonly unknown[], list: ListTemplate): string {
  const [prefix = ''] = /^table\s+/.exec(list.source) ?? [];
  try {
    const template = compileTemplate('image', list.source.slice(prefix.length), tabbed);
    const heading = prefix === '' || list.noHeading ? [] : [template.execute(list.headings, mapOf('string'))];
    const rows = values.map((value) => template.execute(value, list.type));
    return alignTabs([...heading, ...rows].map((row) => `${row}\n`).join(''), 3);
  } catch (error) {
    if (!(error instanceof BldError)) throw error;
    throw usage(`Template parsing error: ${error.message.replace(/^template parsing error: /, '')}`);
  }
}
