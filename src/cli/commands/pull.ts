import { bool, value } from '../flag.ts';
import { decryptionFlags, platformFlags, quiet, registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readPullPolicy } from '../values.ts';

export const spec = defineCommand({
  name: 'pull',
  group: 'Registries',
  summary: 'Fetch an image into the store',
  description:
    'Fetches an image from a registry, or from any place that push writes to, and prints its id. Layers are unpacked when they are needed.',
  usage: '[flags] IMAGE',
  examples: ['bld pull docker.io/library/alpine:3.20', 'bld pull --platform linux/arm64 oci-archive:app.tar'],
  flags: {
    ...registryFlags,
    ...platformFlags,
    ...decryptionFlags,
    'all-tags': bool('all tags of the repository', { short: 'a' }),
    policy: value('always, missing, never or newer', readPullPolicy, {
      value: 'POLICY',
      fallback: 'missing',
    }),
    quiet: quiet('show no progress'),
    'remove-signatures': bool('signatures are never copied', { hidden: true, ignored: true }),
  },
  args: {
    min: 1,
    max: 1,
    after: 'strict',
    missing: 'an image name must be specified',
    excess: 'too many arguments specified',
  },
});
