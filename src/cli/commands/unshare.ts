import { csv } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'unshare',
  group: 'Environment',
  summary: "Run a command in bld's own user and mount namespaces",
  description:
    'Runs a command, or a shell, in the user and mount namespaces that bld works in: there the files of rootless containers have their real owners and bld mount can be seen.',
  usage: '[flags] [--] [COMMAND [ARGUMENT...]]',
  examples: ['bld unshare sh -c \'cp app "$(bld mount web)/usr/bin/"\''],
  flags: {
    mount: csv('mount a container and set a variable to where: [NAME=]CONTAINER', {
      value: 'MOUNT',
      short: 'm',
    }),
  },
  args: { after: 'program' },
});
