import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'rename',
  group: 'Containers',
  summary: 'Give a container another name',
  usage: 'CONTAINER NAME',
  examples: ['bld rename alpine-working-container web'],
  flags: {},
  args: { min: 2, max: 2, after: 'free' },
});
