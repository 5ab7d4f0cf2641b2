import { resolveWorkdir } from '../../dockerfile/config.ts';
import { ownerWriter } from '../../layers/owner.ts';
import { ownerFileOf } from '../../layers/owner-file.ts';
import { sys } from '../../native/sys.ts';
import { lookupUser } from '../../runtime/users.ts';
import { ensureDirectory, kindAt } from '../destination.ts';
import { openRootfs } from '../rootfs.ts';
import { step } from '../step.ts';
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
      // the user matters for a new directory alone: no image has to know all that it names
      if (kindAt(rootfs.fd, path) === 'dir') return null;
      const { store } = container.engine;
      const { upper } = store.containers.directories(container.id);
      const owners = ownerWriter(store.kind.owners, ownerFileOf(upper));
      const owner = lookupUser(rootfs.fd, user);
      sys().close(ensureDirectory(rootfs.fd, path, { owner, owners }));
      owners.flush();
      return null;
    },
  });
}
