import { bool, csv, list, text } from '../flag.ts';
import {
  addHistory,
  cacheFlags,
  isolationFlags,
  namespaceFlags,
  networkFlag,
  securityFlags,
  volumeFlags,
} from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readInteger } from '../values.ts';

export const spec = defineCommand({
  name: 'run',
  group: 'Containers',
  summary: 'Run a command in a container',
  description:
    "Runs a command in a working container, as RUN does in a Dockerfile. The command's exit code is bld's own.",
  usage: '[flags] CONTAINER [--] COMMAND [ARGUMENT...]',
  examples: [
    'bld run "$ctr" -- apk add --no-cache curl',
    'bld run --env CI=1 --workingdir /app "$ctr" npm test',
  ],
  flags: {
    ...namespaceFlags,
    ...isolationFlags,
    ...volumeFlags,
    ...cacheFlags,
    'cap-add': securityFlags['cap-add'],
    'cap-drop': securityFlags['cap-drop'],
    device: securityFlags.device,
    'cdi-config-dir': securityFlags['cdi-config-dir'],
    network: networkFlag,
    'add-history': addHistory,
    contextdir: text('directory that sources of mounts are relative to', { value: 'PATH' }),
    env: list('variable for this command: NAME=VALUE', { value: 'VARIABLE', short: 'e' }),
    hostname: text('host name inside the container', { value: 'NAME' }),
    mount: list('mount as RUN --mount has it: type=bind|cache|tmpfs,...', { value: 'MOUNT' }),
    'no-hostname': bool('leave /etc/hostname of the container alone'),
    'no-hosts': bool('leave /etc/hosts of the container alone'),
    'no-pivot': bool('not needed: bld runs commands itself', {
      ignored: true,
      env: ['BUILDAH_NOPIVOT'],
    }),
    runtime: text('not needed: bld runs commands itself', {
      ignored: true,
      value: 'PATH',
      env: ['BLD_RUNTIME', 'BUILDAH_RUNTIME'],
    }),
    'runtime-flag': csv('not needed: bld runs commands itself', {
      ignored: true,
      value: 'FLAG',
    }),
    terminal: bool('give the command a terminal', { short: 't', aliases: ['tty'] }),
    user: text('user to run as', { value: 'USER[:GROUP]' }),
    'valid-exit-codes': csv('exit codes that count as success', { value: 'CODES' }, readInteger),
    workingdir: text('directory to run in', { value: 'PATH' }),
  },
  args: { min: 1, after: 'command', missing: 'container ID must be specified' },
});
