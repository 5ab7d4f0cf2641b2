import { bool, csv, text } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'images',
  group: 'Images',
  summary: 'List the images of the store',
  usage: '[flags] [IMAGE]',
  examples: ['bld images', "bld images --filter reference='*/app:*' --format '{{.Name}}:{{.Tag}} {{.Size}}'"],
  flags: {
    all: bool('also intermediate images of builds', { short: 'a' }),
    digests: bool('show the digests of manifests'),
    filter: csv(
      'show only those with after=, since=, before=, dangling=, id=, intermediate=, label= or reference=',
      {
        value: 'FILTER',
        short: 'f',
      },
    ),
    format: text('show each by a Go template, "table ..." with headings', { value: 'TEMPLATE' }),
    history: bool('show names that images had'),
    json: bool('output in JSON format'),
    'no-trunc': bool('show whole ids'),
    noheading: bool('show no headings', { short: 'n' }),
    quiet: bool('show ids only', { short: 'q' }),
  },
  args: { max: 1, after: 'strict', excess: "'bld images' requires at most 1 argument" },
});
