import { didYouMean } from '../base/suggest.ts';
import { Complaint } from './errors.ts';
import type { FromInstruction } from './instruction.ts';
import type { Node } from './parse.ts';

/** The complaint about a line that starts with no instruction, with what it was probably meant to be. */
export function unknownInstruction(node: Node, known: Iterable<string>): Complaint {
  const { keyword } = node;
  const names = [...known];
  const guess = didYouMean(keyword.toUpperCase(), names);
  const hint = guess === '' ? instructionHint(node, names) : undefined;
  return new Complaint(`unknown instruction: ${keyword}${guess}`, { near: keyword, ...(hint && { hint }) });
}

function instructionHint(node: Node, names: readonly string[]): string | undefined {
  const { keyword, source, range } = node;
  if (/^(?:<{7}|={7}|>{7})$/.test(keyword)) return 'a merge conflict is left in the file';
  if (/^(?:\/\/|--|;|\/\*)/.test(keyword)) return 'a comment starts with #';
  const glued = names.find((name) => keyword.startsWith(name) && /^[^A-Z]/.test(keyword.slice(name.length)));
  if (glued) return `a blank is missing: ${glued} ${keyword.slice(glued.length)}`;
  const isIndented = /^\s/.test(source.lines[range.start.line - 1] ?? '');
  if (!isIndented || range.start.line === 1) return undefined;
  return `if it belongs to the line above, that line must end with ${node.escape}`;
}

/** The complaint about a FROM whose image is neither a stage above nor the name of an image. */
export function wrongBase(
  { image: written }: FromInstruction,
  image: string,
  stages: { readonly above: readonly string[]; readonly all: readonly string[] },
): Complaint {
  const name = image.toLowerCase();
  const why = image === name ? '' : ': repository name must be lowercase';
  const isBelow = stages.all.includes(name);
  const guess = isBelow ? '' : didYouMean(image, stages.above);
  const hint = isBelow
    ? `the stage ${name} stands below: a stage starts from one above it`
    : /^[a-z]+:\/\//.test(image)
      ? `write it without ${image.slice(0, image.indexOf('//') + 2)}`
      : image === written
        ? undefined
        : `that is ${written}: give the ARGs before the first FROM a default, or use --build-arg`;
  return new Complaint(
    `failed to parse stage name ${JSON.stringify(image)}: invalid reference format${why}${guess}`,
    { near: written, ...(hint && { hint }) },
  );
}
