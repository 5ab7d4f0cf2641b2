import { csv, integer, list, value } from '../flag.ts';
import { addHistory } from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readDuration } from '../values.ts';

/** A setting: an empty value clears it. */
const setting = (summary: string, extras: { readonly value: string; readonly short?: string }) =>
  value(summary, (written) => written, extras);
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
    arch: setting('architecture', { value: 'ARCH' }),
    author: setting('who made the image', { value: 'TEXT' }),
    cmd: setting('default command: JSON array or shell line', { value: 'COMMAND' }),
    comment: setting('comment of the image', { value: 'TEXT' }),
    'created-by': setting("how the next commit's layer was made", { value: 'TEXT' }),
    domainname: setting('domain name', { value: 'NAME' }),
    entrypoint: setting('entry point: JSON array or shell line', { value: 'COMMAND' }),
    env: list('environment variable: NAME=VALUE, NAME to take it from here, or NAME- to remove it', {
      value: 'VARIABLE',
      short: 'e',
    }),
    healthcheck: setting('health check: NONE, CMD ... or CMD-SHELL ...', { value: 'COMMAND' }),
    'healthcheck-interval': interval('time between checks'),
    'healthcheck-retries': integer('failures in a row that count'),
    'healthcheck-start-interval': interval('time between checks while starting'),
    'healthcheck-start-period': interval('time in which failures do not count'),
    'healthcheck-timeout': interval('time that a check may take'),
    'history-comment': setting("comment of the next commit's history entry", { value: 'TEXT' }),
    hostname: setting('host name', { value: 'NAME' }),
    label: list('label: NAME=VALUE, or NAME- to remove it', { value: 'LABEL', short: 'l' }),
    unsetlabel: csv('remove a label', { value: 'NAME' }),
    onbuild: csv('instruction for images built on this one', { value: 'INSTRUCTION' }),
    os: setting('operating system', { value: 'OS' }),
    'os-feature': list('required feature of the operating system', { value: 'FEATURE' }),
    'os-version': setting('required version of the operating system', { value: 'VERSION' }),
    port: csv('port to expose: PORT[/PROTOCOL], or PORT- to remove it', { value: 'PORT', short: 'p' }),
    shell: setting('shell for shell-form commands', { value: 'SHELL' }),
    'stop-signal': setting('signal that stops a container', { value: 'SIGNAL' }),
    user: setting('user to run as', { value: 'USER[:GROUP]', short: 'u' }),
    variant: setting('variant of the architecture', { value: 'VARIANT' }),
    volume: csv('volume: PATH, or PATH- to remove it', { value: 'VOLUME', short: 'v' }),
    workingdir: setting('working directory', { value: 'PATH' }),
  },
  args: {
    min: 1,
    max: 1,
    after: 'strict',
    missing: 'container ID must be specified',
    excess: 'too many arguments specified',
  },
});
