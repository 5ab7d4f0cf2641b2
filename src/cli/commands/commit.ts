import { bool, csv, list, text } from '../flag.ts';
import {
  compressionFlags,
  encryptionFlags,
  formatFlag,
  pullFlags,
  quiet,
  registryFlags,
  sbomFlags,
  signingFlags,
  timeFlags,
} from '../flags.ts';
import { defineCommand } from '../spec.ts';

// they tell when an SBOM scanner's image is pulled
const scannerPull = {
  pull: { ...pullFlags.pull, hidden: true, ignored: true },
  'pull-always': { ...pullFlags['pull-always'], ignored: true },
  'pull-never': { ...pullFlags['pull-never'], ignored: true },
};

export const spec = defineCommand({
  name: 'commit',
  group: 'Containers',
  summary: 'Make an image from a container',
  description:
    'Writes an image from what changed in a working container, and prints its id. The image may be a name in the store, or any destination that push knows.',
  usage: '[flags] CONTAINER [IMAGE]',
  examples: [
    'bld commit --rm "$ctr" registry.example.com/team/app:1.0',
    'bld commit "$ctr" oci-archive:app.tar',
  ],
  flags: {
    ...registryFlags,
    ...compressionFlags,
    ...timeFlags,
    ...sbomFlags,
    ...encryptionFlags,
    ...signingFlags,
    ...scannerPull,
    'add-file': list('file to add: SOURCE[:DESTINATION]', { value: 'FILE' }),
    annotation: list('annotation of the manifest: NAME=VALUE', { value: 'ANNOTATION' }),
    unsetannotation: csv('remove an annotation that comes of itself or from the base', { value: 'NAME' }),
    unsetenv: csv('remove an environment variable', { value: 'NAME' }),
    change: list('Dockerfile instruction to apply', { value: 'INSTRUCTION', short: 'c' }),
    config: text('file of configuration (JSON) to apply', { value: 'PATH' }),
    cw: text('make a confidential workload', { value: 'OPTIONS', unsupported: 'bld makes plain images' }),
    format: formatFlag,
    iidfile: text("file for the image's id, which is not printed then", { value: 'PATH' }),
    manifest: text('manifest list that the image is added to, made when missing', { value: 'NAME' }),
    'metadata-file': text('file for a description of the image (JSON)', { value: 'PATH' }),
    quiet: quiet('show no progress'),
    rm: bool('remove the container afterwards', { aliases: ['purge'] }),
    squash: bool('make one layer of all, the base included', { aliases: ['squash-all'] }),
    'omit-timestamp': bool('same as --timestamp 0', { hidden: true }),
    'reference-time': text('file whose date the image gets', { value: 'PATH', hidden: true }),
  },
  args: {
    min: 1,
    max: 2,
    after: 'strict',
    missing: 'container ID must be specified',
    excess: 'too many arguments specified',
  },
});
