import { nearest as nearestWord } from '../base/suggest.ts';

/** The known word that was probably meant: one that begins so (`--verb` → `--verbose`), else the nearest; or undefined. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const words = [...known];
  const longer = word.length > 1 ? words.find((candidate) => candidate.startsWith(word)) : undefined;
  return longer ?? nearestWord(word.slice(0, 64), words);
}
