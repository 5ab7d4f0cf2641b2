import { findList } from '../../images/lists.ts';
import { status } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './manifest-exists.ts';

export const handle: Handler<typeof spec.flags> = async (context, _, [name = '']) =>
  status(findList(await context.store(), name) ? 0 : 1);
