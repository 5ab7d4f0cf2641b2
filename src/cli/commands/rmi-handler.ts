import { BldError } from '../../base/errors.ts';
import type { Engine } from '../../builder/engine.ts';
import { findList } from '../../images/lists.ts';
import type { ImageRecord } from '../../store/types.ts';
import { knownImage } from '../find-image.ts';
import { nameOf } from '../image-names.ts';
import { failTogether } from '../many.ts';
import { lines } from '../output.ts';
import { removeImage, removeLists, removeNamedList, unnamedImages } from '../remove-image.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './rmi.ts';

function checkFlags(all: boolean, prune: boolean, names: readonly string[]): void {
  const refuse = (message: string) => new BldError('E_USAGE', message, { hint: 'see bld help rmi' });
  const given = names.length > 0;
  if (all && given) throw refuse('when using the --all switch, you may not pass any images names or IDs');
  if (all && prune) throw refuse('when using the --all switch, you may not use --prune switch');
  if (prune && given) throw refuse('when using the --prune switch, you may not pass any images names or IDs');
  if (!all && !prune && !given) throw refuse('image name or ID must be specified');
}

/** Takes one name from an image of several, else removes the image; what was done, as lines. */
async function removeByText(engine: Engine, text: string, force: boolean): Promise<readonly string[]> {
  const { store } = engine;
  const list = store.images.find(text) ? null : findList(store, text);
  if (list) return removeNamedList(store, list, { text });
  const image = knownImage(store, text);
  const name = nameOf(image, text);
  if (name !== undefined && image.names.length > 1) {
    store.images.untag([name]);
    return [`untagged: ${name}`];
  }
  if (name === undefined && image.names.length > 1 && !force) {
    throw new BldError(
      'E_IN_USE',
      `unable to delete image "${image.id.slice(7)}" by ID with more than one tag ([${image.names.join(' ')}]): please force removal`,
    );
  }
  return removeImage(engine, image, force);
}

export const handle: Handler<typeof spec.flags> = async (context, options, names) => {
  checkFlags(options.all, options.prune, names);
  const engine = await context.engine({ quiet: true });
  const { store } = engine;
  const removeAll = (images: readonly ImageRecord[]) =>
    failTogether(images, async (image) =>
      context.print(lines(await removeImage(engine, image, options.force))),
    );
  try {
    if (options.all || options.prune) {
      context.print(lines(await removeLists(store, options.all)));
      await removeAll(options.all ? store.images.list() : unnamedImages(store));
    } else {
      await failTogether(names, async (name) =>
        context.print(lines(await removeByText(engine, name, options.force))),
      );
    }
  } finally {
    store.collect();
  }
  return undefined;
};
