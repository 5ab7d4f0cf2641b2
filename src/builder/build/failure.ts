import { BldError, type Spot } from '../../base/errors.ts';
import { withoutLogins } from '../../base/logins.ts';
import { DockerfileError, excerptOf } from '../../dockerfile/errors.ts';
import type { Node } from '../../dockerfile/parse.ts';

const SHOWN_TEXT = 200;

/** An instruction as progress and errors call it: its first lines in one, without heredoc bodies. */
export function stepText({ original }: Node): string {
  const text = withoutLogins(original);
  return text.length <= SHOWN_TEXT ? text : `${text.slice(0, SHOWN_TEXT - 1)}…`;
}

/** Where an instruction begins. */
export function spotOf({ source, range }: Node): Spot {
  return { file: source.name, line: range.start.line };
}

/** What a command said, for its failure. */
export interface SaidOutput {
  tail(): string;
  /** Keeps the whole; its path. */
  keep(): string | undefined;
}

/** Does an instruction's work; what fails is told with the instruction's place, and the last lines of a RUN's output. */
export async function atInstruction<T>(
  node: Node,
  work: () => Promise<T>,
  output?: SaidOutput | undefined,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BldError) || error instanceof DockerfileError || error.code === 'E_CANCELLED') {
      throw error;
    }
    const { code, message, hint, exitCode } = error;
    const spot = spotOf(node);
    const where = `${spot.file}:${spot.line}\n${excerptOf(node)}`;
    throw new BldError(code, `building at STEP "${stepText(node)}": ${message}\n${where}${saidBy(output)}`, {
      exitCode,
      spot,
      cause: error,
      ...(hint !== undefined && { hint }),
    });
  }
}

function saidBy(output: SaidOutput | undefined): string {
  const tail = output?.tail() ?? '';
  if (tail === '') return '';
  const path = output?.keep();
  return `\nits last output:\n${tail}${path === undefined ? '' : `\nall of its output: ${path}`}`;
}
