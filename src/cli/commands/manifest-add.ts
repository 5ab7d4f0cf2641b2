import { bool, csv, text } from '../flag.ts';
import { registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

const NO_ARTIFACTS = 'lists hold images';

export const entryFlags = {
  annotation: csv('annotation of the image in the list: NAME=VALUE', { value: 'ANNOTATION' }),
  arch: text('architecture that the list tells of the image', { value: 'ARCH' }),
  os: text('operating system that the list tells of the image', { value: 'OS' }),
  'os-version': text('operating system version that the list tells of the image', { value: 'VERSION' }),
  'os-features': csv('operating system features that the list tells of the image', { value: 'NAMES' }),
  variant: text('variant of the architecture that the list tells of the image', { value: 'VARIANT' }),
  features: csv('processor features', {
    value: 'NAMES',
    unsupported: 'the image specification has the field no more',
  }),
};

export const spec = defineCommand({
  name: 'manifest add',
  group: 'Manifest lists',
  summary: 'Add an image to a manifest list',
  description:
    'Adds an image to a manifest list, under the platform that the image tells of itself unless flags tell another. An image that the store lacks is pulled. Prints the id of the list and the digest that was added.',
  usage: '[flags] LIST IMAGE',
  examples: [
    'bld manifest add app:1.0 app-arm64',
    'bld manifest add --arch arm --variant v7 app:1.0 docker://registry.example.com/app:armhf',
  ],
  flags: {
    ...registryFlags,
    ...entryFlags,
    all: bool('add all images of what is a list itself'),
    artifact: bool('add files as an artifact', { unsupported: NO_ARTIFACTS }),
  },
  args: { min: 2, max: 2, after: 'free' },
});
