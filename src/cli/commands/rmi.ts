import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'rmi',
  group: 'Images',
  summary: 'Remove images, or names of images',
  description:
    'Removes names from images, and images that lose their last name. Their bytes are freed when nothing else needs them.',
  usage: '[flags] IMAGE...',
  examples: ['bld rmi localhost/app:old', 'bld rmi --prune'],
  flags: {
    all: bool('all images', { short: 'a' }),
    force: bool('also images with several names, and with containers, which go too', { short: 'f' }),
    prune: bool('images without a name', { short: 'p' }),
  },
  args: { after: 'strict' },
});
