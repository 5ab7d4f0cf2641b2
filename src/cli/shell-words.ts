import { BldError } from '../base/errors.ts';

/** The words of a line as a shell splits them: blanks, both quotes, backslashes; nothing is expanded. E_USAGE. */
export function splitShellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at);
    if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'" || char === '"') {
      const [text, end] = quoted(line, at);
      word = (word ?? '') + text;
      at = end;
    } else if (char === '\\' && at + 1 < line.length) word = (word ?? '') + line.charAt(++at);
    else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

function quoted(line: string, start: number): readonly [text: string, end: number] {
  const quote = line.charAt(start);
  let text = '';
  for (let at = start + 1; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === quote) return [text, at];
    const next = line.charAt(at + 1);
    if (char === '\\' && quote === '"' && ['"', '\\', '$', '`'].includes(next)) {
      text += next;
      at++;
    } else text += char;
  }
  throw new BldError('E_USAGE', `unterminated quote in ${JSON.stringify(line)}`);
}
