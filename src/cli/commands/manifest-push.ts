import { bool, list, text, value } from '../flag.ts';
import { quiet, registryFlags, signingFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readChoice } from '../values.ts';

const AS_THEY_ARE = 'images go as they stand in the list';

export const spec = defineCommand({
  name: 'manifest push',
  group: 'Manifest lists',
  summary: 'Copy a manifest list with its images to a registry or a layout',
  description:
    'Copies a manifest list and all its images to DESTINATION, which is written as for bld push; without one, to the registry that the name of the list tells.',
  usage: '[flags] LIST [DESTINATION]',
  examples: [
    'bld manifest push app:1.0 registry.example.com/team/app:1.0',
    'bld manifest push --rm app:1.0 oci:layout:app',
  ],
  flags: {
    ...registryFlags,
    ...signingFlags,
    all: bool('the images too; otherwise they have to be there already', { fallback: true }),
    digestfile: text("file for the digest of the list's copy", { value: 'PATH' }),
    format: value('format of the manifests: oci or v2s2', readChoice('oci', 'v2s2', 'docker'), {
      value: 'FORMAT',
      short: 'f',
    }),
    quiet: quiet('show no progress'),
    rm: bool('remove the list afterwards'),
    'remove-signatures': bool('signatures are never copied', { hidden: true, ignored: true }),
    'add-compression': list('other compression', { value: 'FORMAT', unsupported: AS_THEY_ARE }),
    'compression-format': text('compression', { value: 'FORMAT', unsupported: AS_THEY_ARE }),
    'compression-level': text('effort of the compression', { value: 'N', unsupported: AS_THEY_ARE }),
    'force-compression': bool('compress again', { unsupported: AS_THEY_ARE }),
  },
  args: { min: 1, max: 2, after: 'free' },
});
