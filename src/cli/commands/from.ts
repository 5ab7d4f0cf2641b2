import { text } from '../flag.ts';
import {
  decryptionFlags,
  formatFlag,
  platformFlags,
  pullFlags,
  quiet,
  registryFlags,
  runDefaultFlags,
} from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'from',
  group: 'Containers',
  summary: 'Make a working container from an image, or from scratch',
  description:
    'Makes a working container from an image, pulled if need be, or an empty one from "scratch", and prints its name. Flags about resources, security and the network hold for every bld run in it.',
  usage: '[flags] IMAGE',
  examples: ['ctr=$(bld from alpine)', 'bld from --name web --volume /src:/src:ro docker.io/library/nginx:1'],
  flags: {
    ...registryFlags,
    ...platformFlags,
    ...runDefaultFlags,
    ...pullFlags,
    ...decryptionFlags,
    cidfile: text("file for the container's id", { value: 'PATH' }),
    format: formatFlag,
    name: text('name of the container', { value: 'NAME' }),
    suffix: text('what a made-up name ends in', { value: 'TEXT', hidden: true }),
    quiet: quiet('show no progress of pulling'),
  },
  args: {
    min: 1,
    max: 1,
    after: 'strict',
    missing: 'an image name (or "scratch") must be specified',
    excess: 'too many arguments specified',
  },
});
