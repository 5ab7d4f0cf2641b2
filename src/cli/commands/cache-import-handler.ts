import { importSteps } from '../../builder/cache-transfer.ts';
import { parseDestination } from '../../images/location.ts';
import { lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './cache-import.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [source = '']) => {
  const location = parseDestination(source);
  const engine = await context.engine({ quiet: options.quiet, registry: options });
  const { steps } = await importSteps(engine, location);
  return lines([`${steps} steps`]);
};
