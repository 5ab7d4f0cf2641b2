import { isSpace } from './characters.ts';

/** Collects words: blanks end one unless they were quoted or escaped. */
export class WordList {
  readonly #words: string[] = [];
  #word = '';

  addText(text: string): void {
    for (const character of text) {
      if (isSpace(character)) this.#end();
      else this.#word += character;
    }
  }

  addRaw(text: string): void {
    this.#word += text;
  }

  #end(): void {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
  }

  finish(): string[] {
    this.#end();
    return this.#words;
  }
}
