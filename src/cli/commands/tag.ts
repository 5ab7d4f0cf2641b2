import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'tag',
  group: 'Images',
  summary: 'Give an image more names',
  usage: 'IMAGE NAME...',
  examples: ['bld tag localhost/app registry.example.com/team/app:1.0'],
  flags: {},
  args: { min: 2, after: 'free' },
});
