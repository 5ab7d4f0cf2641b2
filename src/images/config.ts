import { type Digest, digestOf } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { encodeJson, type KeyOrder } from './json.ts';
import { normalisePlatform } from './platform.ts';
import type { ContainerConfig, History, ImageConfig, Platform, StringMap } from './types.ts';

/** The order in which Go's types, and so nearly all images, write a configuration. */
const CONFIG_ORDER: KeyOrder = {
  created: null,
  author: null,
  architecture: null,
  os: null,
  'os.version': null,
  'os.features': null,
  variant: null,
  config: {
    Hostname: null,
    Domainname: null,
    User: null,
    ExposedPorts: null,
    Env: null,
    Entrypoint: null,
    Cmd: null,
    Volumes: null,
    WorkingDir: null,
    Labels: null,
    StopSignal: null,
    ArgsEscaped: null,
    Healthcheck: {
      Test: null,
      Interval: null,
      Timeout: null,
      StartPeriod: null,
      StartInterval: null,
      Retries: null,
    },
    OnBuild: null,
    StopTimeout: null,
    Shell: null,
  },
  rootfs: { type: null, diff_ids: null },
  history: { created: null, created_by: null, author: null, comment: null, empty_layer: null },
};

/** The configuration's bytes: the same content gives the same bytes, and so the same image id. */
export function encodeConfig(config: ImageConfig): Buffer {
  return encodeJson(config, CONFIG_ORDER);
}

/** The id of an image with this configuration. */
export function imageId(config: ImageConfig): Digest {
  return digestOf(encodeConfig(config));
}

/** The configuration of `FROM scratch`. */
export function emptyConfig(platform: Platform): ImageConfig {
  return {
    ...normalisePlatform(platform),
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** The platform that the image says it is for. */
export function platformOf(config: ImageConfig): Platform {
  const { os, architecture, variant } = config;
  const [version, features] = [config['os.version'], config['os.features']];
  return normalisePlatform({
    os,
    architecture,
    ...(variant !== undefined && { variant }),
    ...(version !== undefined && { 'os.version': version }),
    ...(features !== undefined && { 'os.features': features }),
  });
}

/** Milliseconds since 1970; 0 when the image does not tell or lies. */
export function createdOf(config: ImageConfig): number {
  const time = Date.parse(config.created ?? '');
  return Number.isNaN(time) ? 0 : time;
}

/** A map whose keys are data alone, `__proto__` too. */
export function stringMap(entries: Iterable<readonly [string, string]>): StringMap {
  const map: Record<string, string> = Object.create(null);
  for (const [key, value] of entries) map[key] = value;
  return map;
}

/** The map with the key set, or without it when `value` is undefined. Works for labels, annotations, ports, volumes. */
export function withKey<Value>(
  map: Readonly<Record<string, Value>> | undefined,
  key: string,
  value: Value | undefined,
): Readonly<Record<string, Value>> {
  const changed: Record<string, Value> = Object.assign(Object.create(null), map);
  if (value === undefined) delete changed[key];
  else changed[key] = value;
  return changed;
}

/** The environment with NAME set where it stood, or appended; without it when `value` is undefined. */
export function withEnv(
  env: readonly string[] | undefined,
  name: string,
  value: string | undefined,
): readonly string[] {
  const list = [...(env ?? [])];
  const at = list.findIndex((entry) => entry === name || entry.startsWith(`${name}=`));
  if (value === undefined) return at < 0 ? list : list.filter((_, index) => index !== at);
  if (at < 0) list.push(`${name}=${value}`);
  else list[at] = `${name}=${value}`;
  return list;
}

/** The layers' diffIDs, one a layer of the manifest: E_INTEGRITY when their numbers differ. */
export function diffIdsFor(config: ImageConfig, layers: number, what: string): readonly Digest[] {
  const { diff_ids } = config.rootfs;
  if (config.rootfs.type !== 'layers') {
    throw new BldError('E_UNSUPPORTED', `${what} has a root file system of type ${config.rootfs.type}`);
  }
  if (diff_ids.length === layers) return diff_ids;
  throw new BldError(
    'E_INTEGRITY',
    `${what} has ${layers} layers but its configuration names ${diff_ids.length}`,
  );
}

export type { ContainerConfig, History, ImageConfig };
