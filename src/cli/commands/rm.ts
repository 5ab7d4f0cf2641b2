import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'rm',
  aliases: ['delete'],
  group: 'Containers',
  summary: 'Remove containers',
  usage: '[flags] CONTAINER...',
  examples: ['bld rm "$ctr"', 'bld rm --all'],
  flags: { all: bool('all containers', { short: 'a' }) },
  args: { after: 'strict' },
});
