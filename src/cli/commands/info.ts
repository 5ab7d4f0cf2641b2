import { bool, text } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'info',
  group: 'Environment',
  summary: 'Show the machine, the store, and how bld works here',
  usage: '[flags]',
  examples: ['bld info', "bld info --format '{{.bld.mode}}'"],
  flags: {
    debug: bool('add what helps with a report', { short: 'd' }),
    format: text('show it by a Go template', { value: 'TEMPLATE' }),
  },
  args: { max: 0, after: 'free' },
});
