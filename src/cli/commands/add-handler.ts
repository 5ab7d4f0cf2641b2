import { add } from '../../builder/copy.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './add.ts';
import { transfer } from './transfer.ts';

/** What may be the address of a git repository, to be read in full. */
const GIT = /^(?:git|ssh):|@|\.git(?:[?#]|$)|^github\.com\//i;

const addFrom: typeof add = async (container, sources, destination, options) => {
  if (!sources.some((source) => GIT.test(source))) return add(container, sources, destination, options);
  const { openRepository } = await import('../../builder/git/source.ts');
  const access = { secret: () => undefined, isOwn: true, environment: process.env };
  const repository = await openRepository(container.engine, sources, { access });
  if (!repository) return add(container, sources, destination, options);
  return add(container, ['.'], destination, { ...options, origin: repository.open });
};

export const handle: Handler<typeof spec.flags> = (context, options, args) =>
  transfer(context, options, args, addFrom);
