import { BldError } from '../../base/errors.ts';
import { type ConfigChange, config, type MapChange, type SetChange } from '../../builder/config.ts';
import { findContainer } from '../../builder/container.ts';
import { splitShellWords } from '../shell-words.ts';
import type { Handler, Values } from '../spec.ts';
import type { spec } from './config.ts';

type Options = Values<typeof spec.flags>;

/** Variables that are named alone: their values here, as for `run --env`. */
function passedOn(items: readonly string[], environment: NodeJS.ProcessEnv): Record<string, string> {
  const names = items.filter((item) => !item.includes('=') && !item.endsWith('-'));
  return Object.fromEntries(
    names.map((name) => {
      const value = environment[name];
      if (value !== undefined) return [name, value];
      throw new BldError('E_USAGE', `setting env ${JSON.stringify(name)}: no value given`, {
        hint: `write ${name}=VALUE, or ${name}- to remove it`,
      });
    }),
  );
}

/** Buildah's little language for lists of pairs: `k=v` sets, `k-` removes, `-` alone empties. */
function mapChange(
  items: readonly string[],
  { first = [], last = [] }: { readonly first?: readonly string[]; readonly last?: readonly string[] } = {},
): { change?: MapChange; clear?: boolean } {
  if (items.length + first.length + last.length === 0) return {};
  const change: Record<string, string | null> = Object.create(null);
  for (const name of first) change[name] = null;
  let clear = false;
  for (const item of items) {
    const at = item.indexOf('=');
    if (item === '-') clear = true;
    else if (at > 0) change[item.slice(0, at)] = item.slice(at + 1);
    else if (item.endsWith('-')) change[item.slice(0, -1)] = null;
    else if (at < 0) change[item] = '';
    else throw new BldError('E_USAGE', `invalid pair ${JSON.stringify(item)}: the name is empty`);
  }
  for (const name of last) change[name] = null;
  return { change, clear };
}

/** The same for sets: `x` adds, `x-` removes, `-` alone empties. */
function setChange(items: readonly string[]): SetChange | undefined {
  if (items.length === 0) return undefined;
  return {
    clear: items.includes('-'),
    add: items.filter((item) => !item.endsWith('-')),
    remove: items.filter((item) => item !== '-' && item.endsWith('-')).map((item) => item.slice(0, -1)),
  };
}

function jsonArray(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

function entrypointOf(text: string): readonly string[] | null {
  if (text === '') return null;
  return jsonArray(text) ?? ['/bin/sh', '-c', text];
}

function cmdOf(text: string): readonly string[] | null {
  return text === '' ? null : (jsonArray(text) ?? splitShellWords(text));
}

const nanoseconds = (ms: number) => Math.round(ms * 1_000_000);

function healthcheckOf(options: Options): ConfigChange['healthcheck'] {
  const { healthcheck, healthcheckRetries } = options;
  const words = healthcheck === undefined ? undefined : splitShellWords(healthcheck);
  const [kind] = words ?? [];
  const test =
    kind === 'NONE'
      ? ['NONE']
      : kind === 'CMD'
        ? words
        : ['CMD-SHELL', (healthcheck ?? '').replace(/^CMD-SHELL\s+/, '')];
  const change = {
    ...(healthcheck !== undefined && healthcheck !== '' && { Test: test }),
    ...(options.healthcheckInterval !== undefined && { Interval: nanoseconds(options.healthcheckInterval) }),
    ...(options.healthcheckTimeout !== undefined && { Timeout: nanoseconds(options.healthcheckTimeout) }),
    ...(options.healthcheckStartPeriod !== undefined && {
      StartPeriod: nanoseconds(options.healthcheckStartPeriod),
    }),
    ...(options.healthcheckStartInterval !== undefined && {
      StartInterval: nanoseconds(options.healthcheckStartInterval),
    }),
    ...(healthcheckRetries !== undefined && { Retries: healthcheckRetries }),
  };
  if (healthcheck === '') return null;
  return Object.keys(change).length > 0 ? (change as ConfigChange['healthcheck']) : undefined;
}

/** The flags as one change. */
export function changeOf(options: Options, environment: NodeJS.ProcessEnv): ConfigChange {
  const annotations = mapChange(options.annotation, { first: options.unsetannotation });
  const passed = passedOn(options.env, environment);
  const env = mapChange(options.env.filter((item) => !Object.hasOwn(passed, item)));
  const labels = mapChange(options.label, { last: options.unsetlabel });
  const all = {
    annotations: annotations.change,
    clearAnnotations: annotations.clear,
    architecture: options.arch,
    author: options.author,
    cmd: options.cmd === undefined ? undefined : cmdOf(options.cmd),
    comment: options.comment,
    createdBy: options.createdBy,
    domainname: options.domainname,
    entrypoint: options.entrypoint === undefined ? undefined : entrypointOf(options.entrypoint),
    env: env.change,
    clearEnv: env.clear,
    plainEnv: Object.keys(passed).length > 0 ? passed : undefined,
    healthcheck: healthcheckOf(options),
    historyComment: options.historyComment,
    hostname: options.hostname,
    labels: labels.change,
    clearLabels: labels.clear,
    onbuild: options.onbuild.length > 0 ? options.onbuild : undefined,
    os: options.os,
    osFeatures: setChange(options.osFeature),
    osVersion: options.osVersion,
    ports: setChange(options.port),
    shell: options.shell === undefined ? undefined : (cmdOf(options.shell) ?? []),
    stopSignal: options.stopSignal,
    user: options.user,
    variant: options.variant,
    volumes: setChange(options.volume),
    workingDir: options.workingdir,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** One history line for all that was changed, in the words of a Dockerfile. */
function historyOf(options: Options): string {
  const words = [
    ...options.env.map((item) => `ENV ${item}`),
    ...options.label.map((item) => `LABEL ${item}`),
    ...options.port.map((item) => `EXPOSE ${item}`),
    ...options.volume.map((item) => `VOLUME ${item}`),
    ...(options.workingdir === undefined ? [] : [`WORKDIR ${options.workingdir}`]),
    ...(options.user === undefined ? [] : [`USER ${options.user}`]),
    ...(options.entrypoint === undefined ? [] : [`ENTRYPOINT ${options.entrypoint}`]),
    ...(options.cmd === undefined ? [] : [`CMD ${options.cmd}`]),
    ...(options.shell === undefined ? [] : [`SHELL ${options.shell}`]),
    ...(options.stopSignal === undefined ? [] : [`STOPSIGNAL ${options.stopSignal}`]),
  ];
  return `/bin/sh -c #(nop) ${words.join(' ') || 'CONFIG'}`;
}

export const handle: Handler<typeof spec.flags> = async (context, options, [name = '']) => {
  const engine = await context.engine({ quiet: true });
  const history = options.addHistory ? { history: historyOf(options) } : {};
  await config(findContainer(engine, name), changeOf(options, context.env), history);
  return undefined;
};
