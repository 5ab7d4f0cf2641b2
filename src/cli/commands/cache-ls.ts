import { bool, text } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'cache ls',
  aliases: ['cache list'],
  group: 'Cache',
  summary: 'List the steps and cache mounts that the store keeps',
  description:
    'Lists what builds and scripts find done already: steps with their layers, and the directories of RUN --mount=type=cache. What was used last comes first.',
  usage: '[flags]',
  examples: ['bld cache ls', "bld cache ls --mounts --format '{{.Name}} {{.Size}}'"],
  flags: {
    steps: bool('show steps alone'),
    mounts: bool('show cache mounts alone'),
    format: text('show each by a Go template, "table ..." with headings', { value: 'TEMPLATE' }),
    json: bool('output in JSON format'),
    'no-trunc': bool('show whole ids'),
    noheading: bool('show no headings', { short: 'n' }),
    quiet: bool('show ids only', { short: 'q' }),
  },
  args: { max: 0, after: 'strict' },
});
