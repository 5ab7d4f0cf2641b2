import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'version',
  group: 'Environment',
  summary: 'Show the version of bld and of the specifications it follows',
  usage: '[flags]',
  examples: ['bld version --json'],
  flags: { json: bool('output in JSON format') },
  args: { max: 0, after: 'free' },
});
