import { BldError } from '../../base/errors.ts';
import { withoutLogins } from '../../base/logins.ts';
import { DockerfileError, excerptOf } from '../../dockerfile/errors.ts';
import type { Node } from '../../dockerfile/parse.ts';

const SHOWN_TEXT = 200;

/** An instruction as progress and errors call it: its first lines in one, without heredoc bodies. */
export function stepText({ original }: Node): string {
  const text = withoutLogins(original);
  return text.length <= SHOWN_TEXT ? text : `${text.slice(0, SHOWN_TEXT - 1)}…`;
}

/** Does an instruction's work; what fails is told with the instruction's place, and the last lines of a RUN's output. */
export async function atInstruction<T>(
  node: Node,
  work: () => Promise<T>,
  output: () => string = () => '',
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BldError) || error instanceof DockerfileError || error.code === 'E_CANCELLED') {
      throw error;
    }
    const { code, message, hint, exitCode } = error;
    const tail = output();
    const where = `${node.source.name}:${node.range.start.line}\n${excerptOf(node)}`;
    const said = tail === '' ? '' : `\nits last output:\n${tail}`;
    throw new BldError(code, `building at STEP "${stepText(node)}": ${message}\n${where}${said}`, {
      exitCode,
      cause: error,
      ...(hint !== undefined && { hint }),
    });
  }
}
