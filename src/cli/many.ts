import { BldError } from '../base/errors.ts';

/** Does the work for each, in order, whatever fails; then fails with all that failed, in Buildah's form. */
export async function failTogether<Item>(
  all: readonly Item[],
  work: (item: Item) => void | Promise<void>,
): Promise<void> {
  const failures: BldError[] = [];
  for (const item of all) {
    try {
      await work(item);
    } catch (error) {
      if (!(error instanceof BldError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (!first) return;
  const head = failures.length === 1 ? '1 error occurred:' : `${failures.length} errors occurred:`;
  const bullets = failures.map(({ message }) => `\n\t* ${message}`).join('');
  throw new BldError(first.code, `${head}${bullets}`, {
    exitCode: first.exitCode,
    cause: first,
    ...(failures.length === 1 && first.hint !== undefined && { hint: first.hint }),
  });
}
