import { BldError } from '../base/errors.ts';
import type { Engine } from '../builder/engine.ts';
import { remove } from '../builder/remove.ts';
import type { ImageRecord } from '../store/types.ts';

/**
 * Removes an image with all its names; with `force` also the containers that stand on it. What was done, as lines:
 * `untagged: NAME`, then the id. E_IN_USE in Buildah's words.
 */
export async function removeImage(
  engine: Engine,
  image: ImageRecord,
  force: boolean,
): Promise<readonly string[]> {
  const { containers, images } = engine.store;
  const users = containers.list().filter(({ imageId }) => imageId === image.id);
  const [user] = users;
  if (user && !force) {
    throw new BldError(
      'E_IN_USE',
      `image used by ${user.id}: image is in use by a container: consider listing external containers and force-removing image`,
      { hint: `remove the container first (bld rm ${user.name}), or use --force` },
    );
  }
  for (const { id } of users) await remove({ engine, id });
  images.remove(image.id, force);
  return [...image.names.map((name) => `untagged: ${name}`), image.id.slice(7)];
}
