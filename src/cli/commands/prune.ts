import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'prune',
  group: 'Images',
  summary: 'Remove images without a name, and bytes that nothing needs',
  description:
    'Removes images without a name, and all bytes that no image, container or step needs. Steps and cache mounts stay: see bld cache prune.',
  usage: '[flags]',
  examples: ['bld prune', 'bld prune --all'],
  flags: {
    all: bool('all images that no container uses', { short: 'a' }),
    force: bool('also images that a container uses, which goes too', { short: 'f' }),
  },
  args: { max: 0, after: 'strict' },
});
