/** The words of a template: text, and the tokens inside `{{ }}`. */

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'word' // identifiers and keywords
  | 'field' // `.Name`
  | 'dot'
  | 'variable' // `$`, `$name`
  | 'string' // value already unquoted
  | 'number'
  | 'mark'; // | ( ) , = :=

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the template. */
  readonly at: number;
  /** Blanks stand before it. */
  readonly spaced: boolean;
}

/** Wrong syntax at an offset; made into Go's sentence by the template. */
export class SyntaxFault extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const TOKEN =
  /(?<string>"(?:[^"\\\n]|\\.)*")|(?<raw>`[^`]*`)|(?<char>'(?:[^'\\\n]|\\.)+')|(?<field>\.[\p{L}_][\p{L}\p{Nd}_]*)|(?<number>[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))|(?<dot>\.)|(?<variable>\$[\p{L}\p{Nd}_]*)|(?<word>[\p{L}_][\p{L}\p{Nd}_]*)|(?<mark>:=|[|(),=])/uy;

const ESCAPED: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

function unquote(literal: string, at: number): string {
  return literal
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs, (_, code: string) => {
      const plain = ESCAPED[code];
      if (plain !== undefined) return plain;
      if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
      if (/^[0-7]{3}$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
      throw new SyntaxFault('invalid syntax', at);
    });
}

function strange(char: string): string {
  const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `U+${code}${/\p{C}/u.test(char) ? '' : ` '${char}'`}`;
}

/** Tokens of one action, from after its `{{` to its `}}`. Returns where the text goes on. */
function lexAction(source: string, start: number, tokens: Token[]): number {
  let at = start;
  let depth = 0;
  for (;;) {
    const before = at;
    while (/\s/.test(source[at] ?? '')) at += 1;
    const spaced = at > before;
    if (source.startsWith('-}}', at) && spaced) {
      if (depth > 0) throw new SyntaxFault('unclosed left paren', at);
      tokens.push({ kind: 'close', text: '-}}', at, spaced });
      return at + 3;
    }
    if (source.startsWith('}}', at)) {
      if (depth > 0) throw new SyntaxFault('unclosed left paren', at);
      tokens.push({ kind: 'close', text: '}}', at, spaced });
      return at + 2;
    }
    if (at >= source.length) throw new SyntaxFault('unclosed action', at);
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (!match) {
      const char = String.fromCodePoint(source.codePointAt(at) ?? 0);
      if (char === '"') throw new SyntaxFault('unterminated quoted string', at);
      if (char === '`') throw new SyntaxFault('unterminated raw quoted string', at);
      if (char === "'") throw new SyntaxFault('unterminated character constant', at);
      throw new SyntaxFault(`unexpected bad character ${strange(char)} in command`, at);
    }
    const [text] = match;
    const groups = match.groups ?? {};
    if (text === '(') depth += 1;
    if (text === ')' && --depth < 0) throw new SyntaxFault('unexpected right paren', at);
    tokens.push({ ...tokenOf(groups, text, at), at, spaced });
    at += text.length;
  }
}

function tokenOf(
  groups: Readonly<Record<string, string | undefined>>,
  text: string,
  at: number,
): Pick<Token, 'kind' | 'text'> {
  if (groups.string !== undefined) return { kind: 'string', text: unquote(text, at) };
  if (groups.raw !== undefined) return { kind: 'string', text: text.slice(1, -1) };
  if (groups.char !== undefined) return { kind: 'number', text: String(unquote(text, at).codePointAt(0)) };
  for (const kind of ['field', 'number', 'dot', 'variable', 'word'] as const) {
    if (groups[kind] !== undefined) return { kind, text };
  }
  return { kind: 'mark', text };
}

/** All tokens; `change` is applied to the text outside of actions. Throws SyntaxFault. */
export function lex(source: string, change: (text: string) => string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    const end = open < 0 ? source.length : open;
    const trimmed = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    let text = change(source.slice(at, end));
    if (trimNext) text = text.trimStart();
    if (trimmed) text = text.trimEnd();
    if (text !== '') tokens.push({ kind: 'text', text, at, spaced: false });
    if (open < 0) break;
    const inside = open + 2 + (trimmed ? 2 : 0);
    const comment = /^(?:\s*)\/\*/.exec(source.slice(inside));
    if (comment) {
      const close = source.indexOf('*/', inside + comment[0].length);
      if (close < 0) throw new SyntaxFault('unclosed comment', open);
      const tail = /^(\s+-)?\}\}/.exec(source.slice(close + 2));
      if (!tail) throw new SyntaxFault('comment ends before closing delimiter', open);
      at = close + 2 + tail[0].length;
      trimNext = tail[1] !== undefined;
      continue;
    }
    tokens.push({ kind: 'open', text: '{{', at: open, spaced: false });
    at = lexAction(source, inside, tokens);
    trimNext = tokens.at(-1)?.text === '-}}';
  }
  return tokens;
}
