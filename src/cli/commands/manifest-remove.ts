import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'manifest remove',
  group: 'Manifest lists',
  summary: 'Take an image out of a manifest list',
  description:
    'Takes an image out of a manifest list: by the digest of its manifest, or by a name or id of the store. Prints the id of the list and the digest that was removed.',
  usage: 'LIST IMAGE',
  examples: ['bld manifest remove app:1.0 sha256:0123…'],
  flags: {},
  args: { min: 2, max: 2, after: 'free' },
});
