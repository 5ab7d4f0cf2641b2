import { text, value } from '../flag.ts';
import { defineCommand } from '../spec.ts';
import { readChoice } from '../values.ts';

export const spec = defineCommand({
  name: 'inspect',
  group: 'Images',
  summary: 'Show the configuration of a container or an image',
  description:
    'Shows a working container, or else an image, in the shape of buildah inspect. With --type manifest it shows the manifest list itself.',
  usage: '[flags] OBJECT',
  examples: ['bld inspect --type image alpine', 'bld inspect --format \'{{.OCIv1.Config.Env}}\' "$ctr"'],
  flags: {
    format: text('show it by a Go template', { value: 'TEMPLATE', short: 'f' }),
    type: value('container, image or manifest', readChoice('container', 'image', 'manifest'), {
      value: 'TYPE',
      short: 't',
      fallback: 'container',
    }),
  },
  args: {
    min: 1,
    max: 1,
    after: 'strict',
    missing: 'container or image name must be specified',
    excess: 'too many arguments specified',
  },
});
