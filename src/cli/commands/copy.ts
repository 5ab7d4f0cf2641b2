import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';
import { transferArguments, transferFlags } from './transfer-flags.ts';

export const spec = defineCommand({
  name: 'copy',
  group: 'Containers',
  summary: 'Copy files and directories into a container',
  description: 'Copies files and directories, as they are, into a working container. Prints their digest.',
  usage: '[flags] CONTAINER SOURCE... [DESTINATION]',
  examples: ['bld copy --chown 1000 "$ctr" . /app', 'bld copy --from alpine "$ctr" /etc/os-release /tmp/'],
  flags: { ...transferFlags, parents: bool('keep the leading directories of sources') },
  args: transferArguments,
});
