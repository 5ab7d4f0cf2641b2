import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'untag',
  group: 'Images',
  summary: 'Take names from an image, which stays',
  description: 'Takes the given names from an image, or all of them when none is given. The image stays.',
  usage: 'IMAGE [NAME...]',
  examples: ['bld untag localhost/app', 'bld untag 0e3bbc2 localhost/app:old'],
  flags: {},
  args: { min: 1, after: 'free', missing: 'an image name must be specified' },
});
