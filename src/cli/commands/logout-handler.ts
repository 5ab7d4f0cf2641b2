import { BldError } from '../../base/errors.ts';
import { removeCredentials } from '../../registry/credentials.ts';
import { authPlaces } from '../auth-places.ts';
import { text } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './logout.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [registry]) => {
  if (options.all && registry !== undefined) throw new BldError('E_USAGE', '--all takes no arguments');
  if (!options.all && registry === undefined) throw new BldError('E_USAGE', 'registry must be given');
  const removed = await removeCredentials(registry ?? 'all', authPlaces(options, context.env));
  if (options.all) return text('Removed login credentials for all registries\n');
  if (removed.length === 0) throw new BldError('E_AUTH', `not logged into ${registry}`);
  return text(`Removed login credentials for ${registry}\n`);
};
