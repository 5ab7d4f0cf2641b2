import { quiet, registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'cache import',
  group: 'Cache',
  summary: 'Take steps from a registry or an OCI layout into the store',
  description:
    'Fetches the steps that bld cache export or bld build --cache-to wrote, with their layers. From then on all builds of the store believe them: import only what you trust. Prints how many steps came.',
  usage: '[flags] SOURCE',
  examples: [
    'bld cache import registry.example.com/team/app:buildcache',
    'bld cache import oci-archive:cache.tar',
  ],
  flags: { ...registryFlags, quiet: quiet('draw no progress') },
  args: { min: 1, max: 1, after: 'free' },
});
