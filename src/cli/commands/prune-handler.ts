import { log } from '../../base/log.ts';
import { dropLogs } from '../../builder/build/run-log.ts';
import type { ImageRecord } from '../../store/types.ts';
import { failTogether } from '../many.ts';
import { lines } from '../output.ts';
import { removeImage } from '../remove-image.ts';
import type { Handler } from '../spec.ts';
import { humanSize } from '../units.ts';
import type { spec } from './prune.ts';

export const handle: Handler<typeof spec.flags> = async (context, options) => {
  const engine = await context.engine({ quiet: true });
  const { store } = engine;
  const used = new Set(store.containers.list().map(({ imageId }) => imageId));
  const goes = (image: ImageRecord) => {
    if (!options.all && image.names.length > 0) return false;
    return options.force || !used.has(image.id);
  };
  await failTogether(store.images.list().filter(goes), async (image) => {
    context.print(lines(await removeImage(engine, image, options.force)));
  });
  dropLogs(store);
  const { bytes } = store.collect();
  log.info(`${humanSize(bytes)} freed`);
  return undefined;
};
