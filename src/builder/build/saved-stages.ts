import type { Digest } from '../../base/digest.ts';
import type { Stage } from '../../dockerfile/plan.ts';
import { commitSealed } from '../commit.ts';
import { type Container, heldFor } from '../container.ts';
import { fork } from '../from.ts';
import { remove } from '../remove.ts';
import { dateHistory } from './dates.ts';
import type { Job } from './job.ts';

/** Labels that tell which stage an image is, and on what it stands; scripts know them by Buildah's names. */
export async function stageLabels(job: Job, stage: Stage): Promise<Record<string, string>> {
  return {
    'io.buildah.stage.name': stage.name ?? String(stage.index),
    'io.buildah.stage.base': await baseText(job, stage),
  };
}

/** An image as the file or the command line names it; the id of a stage's image. */
async function baseText(job: Job, { base }: Stage): Promise<string> {
  switch (base.kind) {
    case 'stage':
      return (await job.stage(base.index)).saved?.slice('sha256:'.length) ?? 'scratch';
    case 'image':
      return base.reference;
    case 'context': {
      const context = await job.named(base.name);
      return context.kind === 'image' ? context.image : base.name;
    }
    default:
      return 'scratch';
  }
}

/**
 * Makes a nameless image of a stage that is done. The stage's container stays as it is: stages that stand on it come to
 * the same images as ever.
 */
export async function saveStage({ options }: Job, stage: Stage, container: Container): Promise<Digest> {
  const { format, timestamp, sourceDateEpoch, rewriteTimestamp, omitHistory, identity, createdAnnotation } =
    options.commit ?? {};
  const aside = await heldFor(fork(container, `${stage.name ?? 'stage'}-saved`));
  try {
    const created = await dateHistory(aside);
    const { id } = await commitSealed(
      aside,
      { names: [], passing: false },
      {
        ...{ format, timestamp, sourceDateEpoch, rewriteTimestamp, omitHistory, identity, createdAnnotation },
        created,
      },
    );
    return id;
  } finally {
    await remove(aside);
    aside.held?.[Symbol.dispose]();
  }
}
