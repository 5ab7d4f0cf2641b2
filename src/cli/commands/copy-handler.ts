import { copy } from '../../builder/copy.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './copy.ts';
import { transfer } from './transfer.ts';

export const handle: Handler<typeof spec.flags> = (context, options, args) =>
  transfer(context, options, args, copy);
