import { BldError } from '../../base/errors.ts';
import { nearest } from '../../base/suggest.ts';
import type { Stage } from '../../dockerfile/plan.ts';
import type { Job } from './job.ts';

/** Obtains an image for a stage; where that fails and the name is nearly that of a stage, the error's hint says so. */
export async function orMeantStage<T>(
  { plan }: Job,
  { asker, name }: { readonly asker: Stage; readonly name: string },
  obtain: () => Promise<T>,
): Promise<T> {
  try {
    return await obtain();
  } catch (error) {
    if (!(error instanceof BldError) || error.code === 'E_CANCELLED') throw error;
    const others = plan.stages.filter(({ index }) => index !== asker.index);
    const near = nearest(
      name,
      others.flatMap((stage) => stage.name ?? []),
    );
    const meant = others.findLast((stage) => near !== undefined && stage.name === near);
    if (!meant) throw error;
    const { code, message, exitCode } = error;
    const where = near === name ? ', which has to stand before this one' : '';
    throw new BldError(code, message, {
      exitCode,
      cause: error,
      hint: `did you mean the stage ${near}${where}?`,
    });
  }
}
