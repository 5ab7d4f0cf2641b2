import { bool, text, value } from '../flag.ts';
import { compressionFlags, encryptionFlags, quiet, registryFlags, signingFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readChoice } from '../values.ts';

export const spec = defineCommand({
  name: 'push',
  group: 'Registries',
  summary: 'Copy an image of the store to a registry, a file or a directory',
  description:
    'Copies an image to DESTINATION: docker://HOST/NAME[:TAG] (which needs no prefix), oci:PATH[:NAME], oci-archive:PATH[:NAME], docker-archive:PATH[:NAME], dir:PATH or docker-daemon:NAME:TAG. Without a destination, to the registry that its name tells.',
  usage: '[flags] IMAGE [DESTINATION]',
  examples: [
    'bld push localhost/app registry.example.com/team/app:1.0',
    'bld push localhost/app oci-archive:app.tar',
  ],
  flags: {
    ...registryFlags,
    ...compressionFlags,
    ...encryptionFlags,
    ...signingFlags,
    all: bool('all images of a manifest list, as without it', { hidden: true, ignored: true }),
    digestfile: text("file for the digest of the copy's manifest", { value: 'PATH' }),
    format: value('format of the manifest: oci or v2s2', readChoice('oci', 'v2s1', 'v2s2', 'docker'), {
      value: 'FORMAT',
      short: 'f',
    }),
    quiet: quiet('show no progress'),
    'remove-signatures': bool('signatures are never copied', { hidden: true, ignored: true }),
    rm: bool('remove a manifest list afterwards'),
  },
  args: {
    min: 1,
    max: 2,
    after: 'strict',
    missing: 'at least a source image ID must be specified',
    excess: 'only two arguments are necessary to push: source and destination',
  },
});
