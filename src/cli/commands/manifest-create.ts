import { bool, csv } from '../flag.ts';
import { registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'manifest create',
  group: 'Manifest lists',
  summary: 'Make a manifest list',
  description:
    'Makes a manifest list: one name for images of several platforms. Images may be added at once; those that the store lacks are pulled. Prints the id of the list, which stays the same whatever the list holds.',
  usage: '[flags] LIST [IMAGE...]',
  examples: ['bld manifest create app:1.0', 'bld manifest create app:1.0 app-amd64 app-arm64'],
  flags: {
    ...registryFlags,
    all: bool('add all images of what is a list itself'),
    amend: bool('add to a list that is there already'),
    replace: bool('take the name from what has it'),
    annotation: csv('annotation of the list: NAME=VALUE', { value: 'ANNOTATION' }),
  },
  args: { min: 1, after: 'free', missing: 'a name must be specified for the list' },
});
