import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'umount',
  aliases: ['unmount'],
  group: 'Containers',
  summary: "Unmount containers' files",
  usage: '[flags] CONTAINER...',
  examples: ['bld umount "$ctr"', 'bld umount --all'],
  flags: { all: bool('all mounted containers', { short: 'a' }) },
  args: { after: 'strict' },
});
