import { log } from '../../base/log.ts';
import { dropLogs } from '../../builder/build/run-log.ts';
import type { ImageRecord } from '../../store/types.ts';
import { failTogether } from '../many.ts';
import { lines } from '../output.ts';
import { removeImage, removeLists, unnamedImages } from '../remove-image.ts';
import type { Handler } from '../spec.ts';
import { humanSize } from '../units.ts';
import type { spec } from './prune.ts';

export const handle: Handler<typeof spec.flags> = async (context, options) => {
  const engine = await context.engine({ quiet: true });
  const { store } = engine;
  const used = new Set(store.containers.list().map(({ imageId }) => imageId));
  const goes = (image: ImageRecord) => options.force || !used.has(image.id);
  context.print(lines(await removeLists(store, options.all)));
  const candidates = options.all ? store.images.list() : unnamedImages(store);
  await failTogether(candidates.filter(goes), async (image) => {
    context.print(lines(await removeImage(engine, image, options.force)));
  });
  dropLogs(store);
  const { bytes } = store.collect();
  log.info(`${humanSize(bytes)} freed`);
  return undefined;
};
