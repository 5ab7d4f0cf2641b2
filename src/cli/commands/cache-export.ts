import { text } from '../flag.ts';
import { quiet, registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'cache export',
  group: 'Cache',
  summary: 'Write steps of the store to a registry or an OCI layout',
  description:
    'Writes all steps that the store keeps, or those that made an image, as an image that bld build --cache-from and bld cache import read. Prints its digest.',
  usage: '[flags] DESTINATION',
  examples: [
    'bld cache export registry.example.com/team/app:buildcache',
    'bld cache export --image app oci-archive:cache.tar',
  ],
  flags: {
    ...registryFlags,
    image: text('only the steps that made this image', { value: 'IMAGE' }),
    quiet: quiet('draw no progress'),
  },
  args: { min: 1, max: 1, after: 'free' },
});
