import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'manifest rm',
  group: 'Manifest lists',
  summary: 'Remove manifest lists',
  description:
    'Removes manifest lists, and those of their images that have no name of their own. Prints the names that are gone and the ids of the lists.',
  usage: 'LIST...',
  examples: ['bld manifest rm app:1.0'],
  flags: {},
  args: { min: 1, after: 'free' },
});
