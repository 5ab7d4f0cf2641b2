import { bool, text } from '../flag.ts';
import { defineCommand } from '../spec.ts';
import { entryFlags } from './manifest-add.ts';

export const spec = defineCommand({
  name: 'manifest annotate',
  group: 'Manifest lists',
  summary: 'Change what a manifest list tells of an image',
  description:
    'Changes platform or annotations of an image in a manifest list, or with --index the annotations of the list itself. Prints the id of the list and the digest of the image.',
  usage: '[flags] LIST [IMAGE]',
  examples: [
    'bld manifest annotate --variant v7 app:1.0 sha256:0123…',
    'bld manifest annotate --index --annotation team=build app:1.0',
  ],
  flags: {
    ...entryFlags,
    index: bool('the annotations are those of the list'),
    subject: text('image that the list is about', { value: 'IMAGE', unsupported: 'lists have no subject' }),
  },
  args: { min: 1, max: 2, after: 'free' },
});
