import { csv, integer, list, text, value } from '../flag.ts';
import { addHistory } from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readDuration } from '../values.ts';

const interval = (summary: string) => value(summary, readDuration, { value: 'DURATION' });

export const spec = defineCommand({
  name: 'config',
  group: 'Containers',
  summary: 'Change the settings that an image of the container will have',
  description:
    'Changes what a later commit writes into the image. A name that ends in - removes an environment variable, a label, an annotation, a port or a volume.',
  usage: '[flags] CONTAINER',
  examples: [
    'bld config --cmd \'["node", "server.js"]\' --port 8080 "$ctr"',
    'bld config --env PATH=/app/bin:$PATH --env DEBUG- "$ctr"',
  ],
  flags: {
    'add-history': addHistory,
    annotation: list('annotation of the manifest: NAME=VALUE', { value: 'ANNOTATION', short: 'a' }),
    unsetannotation: csv('remove an annotation that comes of itself or from the base', { value: 'NAME' }),
    arch: text('architecture', { value: 'ARCH' }),
    author: text('who made the image', { value: 'TEXT' }),
    cmd: text('default command: JSON array or shell line', { value: 'COMMAND' }),
    comment: text('comment of the image', { value: 'TEXT' }),
    'created-by': text("how the next commit's layer was made", { value: 'TEXT' }),
    domainname: text('domain name', { value: 'NAME' }),
    entrypoint: text('entry point: JSON array or shell line', { value: 'COMMAND' }),
    env: list('environment variable: NAME=VALUE, or NAME- to remove it', { value: 'VARIABLE', short: 'e' }),
    healthcheck: text('health check: NONE, CMD ... or CMD-SHELL ...', { value: 'COMMAND' }),
    'healthcheck-interval': interval('time between checks'),
    'healthcheck-retries': integer('failures in a row that count'),
    'healthcheck-start-interval': interval('time between checks while starting'),
    'healthcheck-start-period': interval('time in which failures do not count'),
    'healthcheck-timeout': interval('time that a check may take'),
    'history-comment': text("comment of the next commit's history entry", { value: 'TEXT' }),
    hostname: text('host name', { value: 'NAME' }),
    label: list('label: NAME=VALUE, or NAME- to remove it', { value: 'LABEL', short: 'l' }),
    unsetlabel: csv('remove a label', { value: 'NAME' }),
    onbuild: csv('instruction for images built on this one', { value: 'INSTRUCTION' }),
    os: text('operating system', { value: 'OS' }),
    'os-feature': list('required feature of the operating system', { value: 'FEATURE' }),
    'os-version': text('required version of the operating system', { value: 'VERSION' }),
    port: csv('port to expose: PORT[/PROTOCOL], or PORT- to remove it', { value: 'PORT', short: 'p' }),
    shell: text('shell for shell-form commands', { value: 'SHELL' }),
    'stop-signal': text('signal that stops a container', { value: 'SIGNAL' }),
    user: text('user to run as', { value: 'USER[:GROUP]', short: 'u' }),
    variant: text('variant of the architecture', { value: 'VARIANT' }),
    volume: csv('volume: PATH, or PATH- to remove it', { value: 'VOLUME', short: 'v' }),
    workingdir: text('working directory', { value: 'PATH' }),
  },
  args: {
    min: 1,
    max: 1,
    after: 'strict',
    missing: 'container ID must be specified',
    excess: 'too many arguments specified',
  },
});
