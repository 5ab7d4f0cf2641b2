/** Reads a template (Go's text/template, without named sub-templates) into its tree. */
import type { Call, Node, Operand, Pipe } from './ast.ts';
import { lex, SyntaxFault, type Token } from './lex.ts';
import type { Typed } from './types.ts';

class Parser {
  readonly #tokens: readonly Token[];
  readonly #source: string;
  readonly #functions: ReadonlySet<string>;
  readonly #variables = ['$'];
  #next = 0;
  #loops = 0;

  constructor(source: string, tokens: readonly Token[], functions: ReadonlySet<string>) {
    this.#source = source;
    this.#tokens = tokens;
    this.#functions = functions;
  }

  /** Nodes up to the end, or up to `{{end}}`/`{{else}}`, whose keyword is returned. */
  list(inside: boolean): { readonly nodes: readonly Node[]; readonly closer: 'end' | 'else' | undefined } {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#tokens[this.#next++];
      if (!token) {
        if (inside) throw new SyntaxFault('unexpected EOF', this.#source.length);
        return { nodes, closer: undefined };
      }
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text });
        continue;
      }
      const word = this.#peek();
      if (word.kind === 'word' && (word.text === 'end' || word.text === 'else')) {
        if (!inside) throw new SyntaxFault(`unexpected {{${word.text}}}`, word.at);
        this.#next += 1;
        if (word.text === 'end') this.#close('end');
        return { nodes, closer: word.text };
      }
      nodes.push(this.#action(word));
    }
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'close', text: '', at: this.#source.length, spaced: false };
  }

  #take(): Token {
    const token = this.#peek();
    this.#next += 1;
    return token;
  }

  #close(context: string): void {
    const token = this.#take();
    if (token.kind !== 'close') throw new SyntaxFault(`unexpected ${shown(token)} in ${context}`, token.at);
  }

  #action(first: Token): Node {
    if (first.kind === 'word') {
      switch (first.text) {
        case 'if':
        case 'with':
        case 'range':
          this.#next += 1;
          return this.#control(first.text);
        case 'break':
        case 'continue':
          this.#next += 1;
          if (this.#loops === 0) throw new SyntaxFault(`{{${first.text}}} outside {{range}}`, first.at);
          this.#close(`{{${first.text}}}`);
          return { kind: first.text };
        case 'define':
        case 'template':
        case 'block':
          throw new SyntaxFault(`{{${first.text}}} is not supported`, first.at);
      }
    }
    const pipe = this.#pipe('command');
    this.#close('command');
    return { kind: 'action', pipe };
  }

  #control(kind: 'if' | 'with' | 'range'): Node {
    const scope = this.#variables.length;
    const pipe = this.#pipe(kind);
    this.#close(kind);
    if (kind === 'range') this.#loops += 1;
    const { nodes: body, closer } = this.list(true);
    if (kind === 'range') this.#loops -= 1;
    const otherwise = closer === 'else' ? this.#else(kind) : [];
    this.#variables.length = scope;
    return { kind, pipe, body, otherwise };
  }

  #else(kind: 'if' | 'with' | 'range'): readonly Node[] {
    const word = this.#peek();
    // `else if` is an `if` inside the else, which ends with it
    if (word.kind === 'word' && word.text === kind && kind !== 'range') {
      this.#next += 1;
      return [this.#control(kind)];
    }
    this.#close('else');
    const { nodes, closer } = this.list(true);
    if (closer === 'else') throw new SyntaxFault('expected end; found {{else}}', this.#peek().at);
    return nodes;
  }

  #declarations(context: string): { readonly declares: readonly string[]; readonly assigns: boolean } {
    const names: string[] = [];
    const start = this.#next;
    while (this.#peek().kind === 'variable') {
      names.push(this.#take().text);
      const { text } = this.#take();
      if (text === ',' && context === 'range' && names.length === 1) continue;
      if (text !== ':=' && text !== '=') break;
      if (text === ':=') this.#variables.push(...names);
      return { declares: names, assigns: text === '=' };
    }
    this.#next = start;
    return { declares: [], assigns: false };
  }

  #pipe(context: string): Pipe {
    const { at } = this.#peek();
    const { declares, assigns } = this.#declarations(context);
    const calls: Call[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === 'close' || token.text === ')') {
        const [first, ...rest] = calls;
        if (!first) throw new SyntaxFault(`missing value for ${context}`, token.at);
        for (const { args } of rest) {
          if (!['function', 'field', 'variable', 'chain'].includes(args[0].kind)) {
            throw new SyntaxFault(`non executable command in pipeline stage ${calls.length}`, args[0].at);
          }
        }
        return { declares, assigns, calls: [first, ...rest], at, source: this.#slice(at, token.at) };
      }
      calls.push(this.#call(context));
    }
  }

  #call(context: string): Call {
    const { at } = this.#peek();
    const args: Operand[] = [];
    for (;;) {
      const token = this.#peek();
      const operand = this.#operand();
      if (operand) {
        if (args.length > 0 && !token.spaced && token.kind !== 'mark') {
          throw new SyntaxFault(`unexpected ${shown(token)} in operand`, token.at);
        }
        args.push(operand);
        continue;
      }
      const [first, ...rest] = args;
      if (!first) throw new SyntaxFault(`unexpected ${shown(token)} in ${context}`, token.at);
      const end = this.#peek();
      if (end.text === '|' && end.kind === 'mark') {
        this.#next += 1;
        const after = this.#peek();
        if (after.kind === 'close' || after.text === ')') {
          throw new SyntaxFault(`missing value for ${context}`, after.at);
        }
      } else if (end.kind !== 'close' && end.text !== ')') {
        throw new SyntaxFault(`unexpected ${shown(end)} in operand`, end.at);
      }
      return { args: [first, ...rest], at, source: this.#slice(at, end.at) };
    }
  }

  #slice(from: number, to: number): string {
    return this.#source.slice(from, to).trim().replace(/\s+/g, ' ');
  }

  #names(): readonly string[] {
    const names: string[] = [];
    while (this.#peek().kind === 'field' && !this.#peek().spaced) names.push(this.#take().text.slice(1));
    return names;
  }

  #operand(): Operand | undefined {
    const token = this.#peek();
    const { at } = token;
    // Go points at the second name of `.A.B`
    const placed = (from = at) => ({ at: from, source: this.#slice(at, this.#tokenEnd()) });
    switch (token.kind) {
      case 'dot':
        this.#next += 1;
        return { kind: 'dot', ...placed() };
      case 'field': {
        this.#next += 1;
        const second = this.#peek();
        const names = [token.text.slice(1), ...this.#names()];
        return { kind: 'field', names, ...placed(names.length > 1 ? second.at : at) };
      }
      case 'variable': {
        this.#next += 1;
        if (!this.#variables.includes(token.text))
          throw new SyntaxFault(`undefined variable "${token.text}"`, at);
        const second = this.#peek();
        const names = this.#names();
        return { kind: 'variable', name: token.text, names, ...placed(names.length > 0 ? second.at : at) };
      }
      case 'string':
        this.#next += 1;
        return { kind: 'literal', literal: { type: 'string', value: token.text }, ...placed() };
      case 'number':
        this.#next += 1;
        return { kind: 'literal', literal: number(token.text), ...placed() };
      case 'word':
        return this.#word(token);
      case 'mark':
        return token.text === '(' ? this.#parenthesis() : undefined;
      default:
        return undefined;
    }
  }

  #word({ text, at }: Token): Operand {
    this.#next += 1;
    const source = text;
    if (text === 'true' || text === 'false')
      return { kind: 'literal', literal: { type: 'bool', value: text === 'true' }, at, source };
    if (text === 'nil') return { kind: 'nil', at, source };
    if (!this.#functions.has(text)) throw new SyntaxFault(`function "${text}" not defined`, at);
    return { kind: 'function', name: text, at, source };
  }

  #parenthesis(): Operand {
    const { at } = this.#take();
    const pipe = this.#pipe('parenthesized pipeline');
    this.#next += 1;
    const inner: Operand = { kind: 'pipe', pipe, at, source: this.#slice(at, this.#tokenEnd()) };
    const second = this.#peek();
    const names = this.#names();
    if (names.length === 0) return inner;
    return { kind: 'chain', from: inner, names, at: second.at, source: this.#slice(at, this.#tokenEnd()) };
  }

  /** Where the token just taken ends. */
  #tokenEnd(): number {
    const token = this.#tokens[this.#next];
    return token ? token.at : this.#source.length;
  }
}

function number(text: string): Typed {
  const type = /^[+-]?0[xX]/.test(text) || !/[.eE]/.test(text) ? 'int' : 'float64';
  return { type, value: Number(text.replaceAll('_', '')) };
}

function shown(token: Token): string {
  return token.kind === 'close' ? '"}}"' : `"${token.text}"`;
}

/**
 * Parses a template; throws SyntaxFault. `functions` are the names that may be called, `change` is applied to the text
 * outside of actions.
 */
export function parse(
  source: string,
  functions: ReadonlySet<string>,
  change: (text: string) => string,
): readonly Node[] {
  return new Parser(source, lex(source, change), functions).list(false).nodes;
}
