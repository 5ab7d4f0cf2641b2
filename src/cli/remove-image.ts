import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import type { Engine } from '../builder/engine.ts';
import { remove } from '../builder/remove.ts';
import { allLists, holdLists, listedImages, removeList } from '../images/lists.ts';
import type { ImageRecord, IndexRecord, Store } from '../store/types.ts';
import { nameOf } from './image-names.ts';

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
  const busy = users.find(({ id }) => containers.isTransient(id));
  if (busy) {
    throw new BldError('E_IN_USE', `image ${image.id} is in use by a build: ${busy.name}`, {
      hint: 'wait until the build has ended, or end it',
    });
  }
  const list = listedImages(engine.store).get(image.id);
  if (list && !force) {
    throw new BldError(
      'E_IN_USE',
      `image ${image.id} stands in the manifest list ${list.names[0] ?? list.digest}`,
      {
        hint: 'remove the list, or take the image out of it: bld manifest remove',
      },
    );
  }
  for (const { id } of users) await remove({ engine, id });
  images.remove(image.id, force);
  return [...image.names.map((name) => `untagged: ${name}`), image.id.slice(7)];
}

/** Removes the lists that have no name, or all; as lines. */
export async function removeLists(store: Store, all: boolean): Promise<readonly string[]> {
  using _ = await holdLists(store);
  const gone = allLists(store).filter(({ names }) => all || names.length === 0);
  for (const list of gone) removeList(store, list);
  return gone.flatMap((list) => [...list.names.map((name) => `untagged: ${name}`), list.digest.slice(7)]);
}

/** Images that nothing names, neither they themselves nor a list. */
export function unnamedImages(store: Store): readonly ImageRecord[] {
  const listed = listedImages(store);
  return store.images.list().filter(({ id, names }) => names.length === 0 && !listed.has(id));
}

/** Takes the name from a list of several, else removes the list with the images that are nowhere else; as lines. */
export async function removeNamedList(
  store: Store,
  list: IndexRecord,
  { text, id = list.digest }: { readonly text: string; readonly id?: Digest },
): Promise<readonly string[]> {
  using _ = await holdLists(store);
  const name = nameOf(list, text);
  if (name !== undefined && list.names.length > 1) {
    store.images.untag([name]);
    return [`untagged: ${name}`];
  }
  removeList(store, list);
  return [...list.names.map((one) => `untagged: ${one}`), id.slice(7)];
}
