import { bool, text } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'history',
  group: 'Images',
  summary: 'Show how an image was made, the newest step first',
  usage: '[flags] IMAGE',
  examples: ['bld history alpine', "bld history --format '{{.CreatedBy}}' --no-trunc localhost/app"],
  flags: {
    format: text('json, or a Go template for each step', { value: 'TEMPLATE' }),
    human: bool('sizes and dates for people', { short: 'H', fallback: true }),
    json: bool('output in JSON format'),
    'no-trunc': bool('show whole ids and commands'),
    quiet: bool('show ids only', { short: 'q' }),
  },
  args: {
    min: 1,
    max: 1,
    after: 'free',
    missing: 'an image name must be specified',
    excess: 'too many arguments specified',
  },
});
