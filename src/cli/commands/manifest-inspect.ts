import { registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'manifest inspect',
  group: 'Manifest lists',
  summary: 'Show a manifest list',
  description: 'Prints a manifest list as JSON: one of the store, else one at a registry or in a layout.',
  usage: '[flags] LIST',
  examples: ['bld manifest inspect app:1.0', 'bld manifest inspect docker://debian:bookworm'],
  flags: { ...registryFlags },
  args: { min: 1, max: 1, after: 'free' },
});
