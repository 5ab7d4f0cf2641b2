import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { BldError } from '../base/errors.ts';
import { writeLog } from './output.ts';

export interface Question {
  /** What is typed can be seen. */
  readonly shown: boolean;
  /** The answer when nothing is typed. */
  readonly fallback?: string | undefined;
}

/** Asks on the terminal; E_USAGE where there is none. Only `login` may. */
export async function ask(question: string, { shown, fallback }: Question): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new BldError('E_USAGE', `there is no terminal to ask for the ${question.toLowerCase()}`, {
      hint: 'use --username and --password-stdin',
    });
  }
  const prompt = `${question}${fallback ? ` (${fallback})` : ''}: `;
  const output = shown ? process.stderr : new Writable({ write: (_, __, done) => done() });
  // before the question, for what is typed must not be echoed by the terminal itself
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  if (!shown) writeLog(prompt);
  try {
    // a closed terminal answers nothing
    const closed = new Promise<never>((_, reject) => {
      terminal.once('close', () => reject(new BldError('E_CANCELLED', 'no answer', { exitCode: 130 })));
    });
    const answer = await Promise.race([terminal.question(shown ? prompt : ''), closed]);
    return answer === '' ? (fallback ?? '') : answer;
  } finally {
    terminal.close();
    if (!shown) writeLog('\n');
  }
}
