/** The tree of a template. */
import type { Typed } from './types.ts';

interface Placed {
  /** Offset in the template, for errors. */
  readonly at: number;
  /** As it was written. */
  readonly source: string;
}

export type Operand = Placed &
  (
    | { readonly kind: 'dot' }
    | { readonly kind: 'nil' }
    | { readonly kind: 'literal'; readonly literal: Typed }
    | { readonly kind: 'field'; readonly names: readonly string[] }
    | { readonly kind: 'variable'; readonly name: string; readonly names: readonly string[] }
    | { readonly kind: 'function'; readonly name: string }
    | { readonly kind: 'pipe'; readonly pipe: Pipe }
    /** Fields of something in parentheses. */
    | { readonly kind: 'chain'; readonly from: Operand; readonly names: readonly string[] }
  );

export interface Call extends Placed {
  readonly args: readonly [Operand, ...Operand[]];
}

export interface Pipe extends Placed {
  readonly declares: readonly string[];
  /** `=` rather than `:=`. */
  readonly assigns: boolean;
  readonly calls: readonly [Call, ...Call[]];
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: 'break' | 'continue' };
