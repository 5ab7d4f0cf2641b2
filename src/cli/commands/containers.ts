import { bool, csv, text } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'containers',
  aliases: ['list', 'ls', 'ps'],
  group: 'Containers',
  summary: 'List working containers',
  usage: '[flags]',
  examples: ['bld containers', 'bld containers --filter name=web --format "{{.ContainerID}} {{.ImageName}}"'],
  flags: {
    all: bool('there are no others than bld makes', { short: 'a', hidden: true, ignored: true }),
    filter: csv('show only those with id=, name= or ancestor=', { value: 'FILTER', short: 'f' }),
    format: text('show each by a Go template, "table ..." with headings', { value: 'TEMPLATE' }),
    json: bool('output in JSON format'),
    noheading: bool('show no headings', { short: 'n' }),
    notruncate: bool('show whole ids and names'),
    quiet: bool('show ids only', { short: 'q' }),
  },
  args: { max: 0, after: 'free', excess: "'bld containers' does not accept arguments" },
});
