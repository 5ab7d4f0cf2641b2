import { log } from '../../base/log.ts';
import { exportSteps } from '../../builder/cache-transfer.ts';
import { parseDestination } from '../../images/location.ts';
import { knownImage } from '../find-image.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './cache-export.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [destination = '']) => {
  const location = parseDestination(destination);
  const engine = await context.engine({ quiet: options.quiet, registry: options });
  const image = options.image === undefined ? undefined : knownImage(engine.store, options.image);
  const { steps, digest } = await exportSteps(engine, location, image);
  log.info(`${steps} steps written`);
  return lines([digest ?? '']);
};
