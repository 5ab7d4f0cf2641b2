import { resolveWorkdir } from '../../dockerfile/config.ts';
import { resolveOwner } from '../ownership.ts';
import { openRootfs } from '../rootfs.ts';
import { step } from '../step.ts';
import { makeWorkDirectory } from '../work-directory.ts';
import type { StepPlace } from './stage.ts';

/** Makes the directory of a WORKDIR, with its parents, for the user at that point; one that is there stays as it is. */
export async function workdirStep({ container, config, words }: StepPlace, word: string): Promise<void> {
  const path = resolveWorkdir(config.WorkingDir, word);
  const user = config.User ?? '';
  await step<null>(container, {
    site: `workdir ${path}`,
    inputs: () => [
      ['operation', 'WORKDIR'],
      ['directory', path],
      ['user', user],
    ],
    createdBy: () => words.createdBy,
    as: words,
    work: async () => {
      using rootfs = await openRootfs(container);
      makeWorkDirectory(container, rootfs.fd, { path, owner: () => resolveOwner(rootfs.fd, user) });
      return null;
    },
  });
}
