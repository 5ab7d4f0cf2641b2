/** Runs a parsed template over a typed value, with Go's rules and Go's errors. */

import type { Call, Node, Operand, Pipe } from './ast.ts';
import { ArgumentFault, type Functions, TemplateFault, type TemplateFunction } from './functions.ts';
import { printed } from './print.ts';
import {
  concrete,
  fieldOf,
  indirect,
  isRecord,
  isTrue,
  items,
  NIL,
  NO_VALUE,
  sortedKeys,
  type Typed,
  typeName,
} from './types.ts';

/** An error with the place it happened at. */
export class ExecFault extends Error {
  readonly at: number;
  readonly context: string;
  constructor(message: string, place: { readonly at: number; readonly source: string }) {
    super(message);
    this.at = place.at;
    this.context = place.source;
  }
}

class Leave extends Error {
  readonly how: 'break' | 'continue';
  constructor(how: 'break' | 'continue') {
    super(how);
    this.how = how;
  }
}

type Place = { readonly at: number; readonly source: string };

function field(from: Typed, name: string, place: Place): Typed {
  if (from === NO_VALUE) throw new ExecFault(`can't evaluate field ${name} in type interface {}`, place);
  const shown = concrete(from);
  const behind = indirect(shown);
  const { type, value } = behind;
  if (typeof type === 'object') {
    if (type.kind === 'struct') {
      const found = fieldOf(type, value, name);
      if (found) return found;
      throw new ExecFault(`can't evaluate field ${name} in type ${typeName(shown.type)}`, place);
    }
    if (type.kind === 'map') {
      return isRecord(value) && Object.hasOwn(value, name) ? { type: type.of, value: value[name] } : NO_VALUE;
    }
    if (type.kind === 'pointer')
      throw new ExecFault(`nil pointer evaluating ${typeName(type)}.${name}`, place);
  }
  if (type === 'any') throw new ExecFault(`nil data; no entry for key "${name}"`, place);
  throw new ExecFault(`can't evaluate field ${name} in type ${typeName(shown.type)}`, place);
}

function argumentFault({ typed, want }: ArgumentFault, operand: Operand): ExecFault {
  if (operand.kind === 'literal') return new ExecFault(`expected ${want}; found ${operand.source}`, operand);
  const { type } = concrete(typed);
  const message =
    typed === NO_VALUE || type === 'any'
      ? `invalid value; expected ${want}`
      : `wrong type for value; expected ${want}; got ${typeName(type)}`;
  return new ExecFault(message, operand);
}

class Run {
  readonly #functions: Functions;
  readonly #variables: { readonly name: string; value: Typed }[];
  #out = '';

  constructor(functions: Functions, data: Typed) {
    this.#functions = functions;
    this.#variables = [{ name: '$', value: data }];
  }

  text(nodes: readonly Node[], dot: Typed): string {
    this.#walk(nodes, dot);
    return this.#out;
  }

  #walk(nodes: readonly Node[], dot: Typed): void {
    for (const node of nodes) {
      switch (node.kind) {
        case 'text':
          this.#out += node.text;
          break;
        case 'action': {
          const value = this.#pipe(node.pipe, dot);
          if (node.pipe.declares.length === 0) this.#out += printed(value);
          break;
        }
        case 'break':
        case 'continue':
          throw new Leave(node.kind);
        default: {
          const scope = this.#variables.length;
          if (node.kind === 'range') this.#range(node, dot);
          else this.#branch(node, dot);
          this.#variables.length = scope;
        }
      }
    }
  }

  #branch(node: Extract<Node, { body: unknown }>, dot: Typed): void {
    const value = this.#pipe(node.pipe, dot);
    if (isTrue(value)) this.#walk(node.body, node.kind === 'with' ? value : dot);
    else this.#walk(node.otherwise, dot);
  }

  #range(node: Extract<Node, { body: unknown }>, dot: Typed): void {
    const value = indirect(this.#evaluate(node.pipe, dot));
    const pairs = this.#pairs(value, node.pipe);
    if (pairs.length === 0) this.#walk(node.otherwise, dot);
    const [first, second] = node.pipe.declares;
    for (const [key, item] of pairs) {
      const scope = this.#variables.length;
      if (first !== undefined && second !== undefined) {
        this.#set(first, key, node.pipe.assigns);
        this.#set(second, item, node.pipe.assigns);
      } else if (first !== undefined) {
        this.#set(first, item, node.pipe.assigns);
      }
      try {
        this.#walk(node.body, item);
      } catch (error) {
        if (!(error instanceof Leave)) throw error;
        if (error.how === 'break') return;
      } finally {
        this.#variables.length = scope;
      }
    }
  }

  #pairs(typed: Typed, pipe: Pipe): readonly (readonly [Typed, Typed])[] {
    const { type, value } = typed;
    const index = (number: number): Typed => ({ type: 'int', value: number });
    if (type === 'int') {
      return Array.from({ length: Math.max(0, Math.min(Number(value), 1e6)) }, (_, at) => [
        index(at),
        index(at),
      ]);
    }
    if (typeof type === 'object' && type.kind === 'slice') {
      return items(typed).map((item, at) => [index(at), { type: type.of, value: item }]);
    }
    if (typeof type === 'object' && type.kind === 'map') {
      const record = value as Readonly<Record<string, unknown>>;
      return sortedKeys(typed).map((key) => [
        { type: 'string', value: key },
        { type: type.of, value: record[key] },
      ]);
    }
    if (typed === NO_VALUE || value === null || value === undefined) return [];
    throw new ExecFault(`range can't iterate over ${printed(typed)}`, pipe);
  }

  #set(name: string, value: Typed, assigns: boolean): void {
    const known = assigns ? this.#variables.findLast((variable) => variable.name === name) : undefined;
    if (known) known.value = value;
    else this.#variables.push({ name, value });
  }

  #pipe(pipe: Pipe, dot: Typed): Typed {
    const value = this.#evaluate(pipe, dot);
    for (const name of pipe.declares) this.#set(name, value, pipe.assigns);
    return value;
  }

  #evaluate(pipe: Pipe, dot: Typed): Typed {
    let value: Typed | undefined;
    for (const call of pipe.calls) value = this.#call(call, dot, value);
    return value ?? NIL;
  }

  #call(call: Call, dot: Typed, final: Typed | undefined): Typed {
    const [first, ...rest] = call.args;
    if (first.kind === 'function') {
      const known = this.#functions.get(first.name);
      if (!known) throw new Error(`internal: template function ${first.name}`);
      return this.#invoke(first.name, known, { call, rest, dot, final });
    }
    if (rest.length > 0 || final) {
      const what = first.kind === 'field' || first.kind === 'chain' || first.kind === 'variable';
      const name = what && 'names' in first ? (first.names.at(-1) ?? first.source) : first.source;
      if (what) throw new ExecFault(`${name} has arguments but cannot be invoked as function`, first);
      throw new ExecFault(`can't give argument to non-function ${first.source}`, first);
    }
    if (first.kind === 'nil') throw new ExecFault('nil is not a command', first);
    return this.#operand(first, dot);
  }

  #invoke(
    name: string,
    known: TemplateFunction,
    {
      call,
      rest,
      dot,
      final,
    }: { call: Call; rest: readonly Operand[]; dot: Typed; final: Typed | undefined },
  ): Typed {
    const count = rest.length + (final ? 1 : 0);
    if (count < known.min || count > known.max) {
      const want = known.max === known.min ? `${known.min}` : `at least ${known.min}`;
      throw new ExecFault(`wrong number of args for ${name}: want ${want} got ${count}`, call.args[0]);
    }
    if (name === 'and' || name === 'or') {
      let value: Typed = NIL;
      for (const lazy of [
        ...rest.map((operand) => () => this.#operand(operand, dot)),
        ...(final ? [() => final] : []),
      ]) {
        value = lazy();
        if (isTrue(value) === (name === 'or')) return value;
      }
      return value;
    }
    const args = [...rest.map((operand) => this.#operand(operand, dot)), ...(final ? [final] : [])];
    try {
      return known.call(args);
    } catch (error) {
      if (error instanceof ArgumentFault)
        throw argumentFault(error, rest[args.indexOf(error.typed)] ?? call.args[0]);
      if (!(error instanceof TemplateFault)) throw error;
      throw new ExecFault(`error calling ${name}: ${error.message}`, call);
    }
  }

  #operand(operand: Operand, dot: Typed): Typed {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return NIL;
      case 'literal':
        return operand.literal;
      case 'field':
        return operand.names.reduce((at, name) => field(at, name, operand), dot);
      case 'variable': {
        const known = this.#variables.findLast((variable) => variable.name === operand.name);
        return operand.names.reduce((at, name) => field(at, name, operand), known?.value ?? NIL);
      }
      case 'function':
        return this.#call({ args: [operand], at: operand.at, source: operand.source }, dot, undefined);
      case 'pipe':
        return this.#pipe(operand.pipe, dot);
      case 'chain':
        return operand.names.reduce((at, name) => field(at, name, operand), this.#operand(operand.from, dot));
    }
  }
}

/** The template's text; throws ExecFault. */
export function execute(nodes: readonly Node[], functions: Functions, data: Typed): string {
  return new Run(functions, data).text(nodes, data);
}
