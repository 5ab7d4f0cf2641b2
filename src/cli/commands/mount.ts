import { bool } from '../flag.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'mount',
  group: 'Containers',
  summary: "Mount a container's files and print where",
  description:
    'Mounts the files of working containers and prints where. Without arguments, lists the mounted ones. Rootless, the mount is seen inside bld unshare.',
  usage: '[flags] [CONTAINER...]',
  examples: ['dir=$(bld mount "$ctr") && cp app "$dir/usr/bin/"'],
  flags: {
    json: bool('output in JSON format'),
    notruncate: bool('nothing is shortened anyway', { hidden: true, ignored: true }),
  },
  args: { after: 'strict' },
});
