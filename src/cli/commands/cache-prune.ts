import { bool, value } from '../flag.ts';
import { defineCommand } from '../spec.ts';
import { readSize, readSpan } from '../values.ts';

export const spec = defineCommand({
  name: 'cache prune',
  group: 'Cache',
  summary: 'Remove steps and cache mounts that the store keeps',
  description:
    'Forgets steps that no image or container stands on and removes cache mounts that no command uses, then all bytes that nothing needs any more. Prints what went, and how much was freed. Layers of images and containers always stay.',
  usage: '[flags]',
  examples: ['bld cache prune --older-than 7d', 'bld cache prune --steps --keep-storage 20g'],
  flags: {
    all: bool('also steps that images stand on: builds do not find them any more', { short: 'a' }),
    steps: bool('steps alone'),
    mounts: bool('cache mounts alone'),
    'older-than': value('only what was not used for so long, as in 12h or 7d', readSpan, {
      value: 'DURATION',
    }),
    'keep-storage': value('keep what was used last, up to this size', readSize, { value: 'SIZE' }),
  },
  args: { max: 0, after: 'strict' },
});
