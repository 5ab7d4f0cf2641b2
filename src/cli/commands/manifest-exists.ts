import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'manifest exists',
  group: 'Manifest lists',
  summary: 'Tell by the exit code whether there is a manifest list',
  description:
    'Ends with exit code 0 when the store has the manifest list, with 1 when it has not. Prints nothing.',
  usage: 'LIST',
  examples: ['bld manifest exists app:1.0 || bld manifest create app:1.0'],
  flags: {},
  args: { min: 1, max: 1, after: 'free' },
});
