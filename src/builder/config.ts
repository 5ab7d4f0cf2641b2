import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { appendHistory, type Change, changeConfig, changeSettings } from '../images/mutate.ts';
import type { ContainerConfig, Healthcheck, ImageConfig, StringMap } from '../images/types.ts';
import { now } from './clock.ts';
import type { Container } from './container.ts';
import { changeState } from './container.ts';
import { type ContainerState, containerConfig, environmentOf } from './state.ts';

/** A map's changes: a value sets, null removes; `clear` empties it first. */
export type MapChange = Readonly<Record<string, string | null>>;
/** A set's changes. */
export interface SetChange {
  readonly clear?: boolean;
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

/** What `config` changes; what is absent stays. null removes a setting. */
export interface ConfigChange {
  readonly annotations?: MapChange;
  readonly clearAnnotations?: boolean;
  readonly architecture?: string;
  readonly author?: string;
  readonly cmd?: readonly string[] | null;
  /** The image's comment (Docker's format has the field; OCI keeps it as an unknown one). */
  readonly comment?: string;
  readonly createdBy?: string;
  readonly domainname?: string;
  readonly entrypoint?: readonly string[] | null;
  /** `$NAME` in values is expanded from the variables set so far. */
  readonly env?: MapChange;
  readonly clearEnv?: boolean;
  /** Variables set before those, with values in which a `$` is one. */
  readonly plainEnv?: Readonly<Record<string, string>>;
  /** `Test` as in the image, or null to remove the check. */
  readonly healthcheck?: Partial<Healthcheck> | null;
  readonly historyComment?: string;
  readonly hostname?: string;
  readonly labels?: MapChange;
  readonly clearLabels?: boolean;
  readonly onbuild?: readonly string[];
  readonly os?: string;
  readonly osFeatures?: SetChange;
  readonly osVersion?: string;
  readonly ports?: SetChange;
  readonly shell?: readonly string[];
  readonly stopSignal?: string;
  readonly user?: string;
  readonly variant?: string;
  readonly volumes?: SetChange;
  readonly workingDir?: string;
}

export interface ConfigOptions {
  /** An `empty_layer` history entry with this `created_by`. */
  readonly history?: string;
}

function changedMap(current: StringMap | undefined, change: MapChange, clear = false): StringMap {
  const map: Record<string, string> = Object.assign(Object.create(null), clear ? {} : current);
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete map[key];
    else map[key] = value;
  }
  return map;
}

function changedSet(
  current: Readonly<Record<string, object>> | undefined,
  change: SetChange,
): Record<string, object> | undefined {
  const set: Record<string, object> = Object.assign(Object.create(null), change.clear ? {} : current);
  for (const key of change.remove ?? []) delete set[key];
  for (const key of change.add ?? []) set[key] = {};
  return Object.keys(set).length > 0 ? set : undefined;
}

function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g, (_, braced, bare) => {
    return variables.get(braced ?? bare) ?? '';
  });
}

function changedEnv(
  config: ContainerConfig,
  { env = {}, plainEnv = {}, clearEnv = false }: ConfigChange,
): readonly string[] | undefined {
  const variables = clearEnv ? new Map<string, string>() : environmentOf(config);
  for (const [name, value] of Object.entries(plainEnv)) variables.set(name, value);
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=')) {
      throw new BldError('E_USAGE', `invalid environment variable name ${JSON.stringify(name)}`);
    }
    if (value === null) variables.delete(name);
    else variables.set(name, expand(value, variables));
  }
  return variables.size > 0 ? [...variables].map(([name, value]) => `${name}=${value}`) : undefined;
}

/** `80`, `80/udp`, `8000-8003`: the image's `ExposedPorts` keys, one a port, protocol in lower case. */
export function portKeys(text: string): readonly string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-zA-Z]+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? first);
  if (!match || last < first || last > 65535) {
    throw new BldError('E_USAGE', `invalid port ${JSON.stringify(text)}`, {
      hint: 'write PORT, PORT/udp or FIRST-LAST',
    });
  }
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

function settingsChange(config: ContainerConfig, change: ConfigChange): Change<ContainerConfig> {
  const next: { -readonly [K in keyof ContainerConfig]?: ContainerConfig[K] | undefined } = {};
  if (change.env || change.plainEnv || change.clearEnv) next.Env = changedEnv(config, change);
  if (change.labels || change.clearLabels) {
    const labels = changedMap(config.Labels, change.labels ?? {}, change.clearLabels);
    next.Labels = Object.keys(labels).length > 0 ? labels : undefined;
  }
  if (change.ports) {
    next.ExposedPorts = changedSet(config.ExposedPorts, {
      ...change.ports,
      add: (change.ports.add ?? []).flatMap(portKeys),
      remove: (change.ports.remove ?? []).flatMap(portKeys),
    });
  }
  if (change.volumes) next.Volumes = changedSet(config.Volumes, change.volumes);
  if (change.user !== undefined) next.User = change.user || undefined;
  if (change.workingDir !== undefined) next.WorkingDir = change.workingDir || undefined;
  if (change.stopSignal !== undefined) next.StopSignal = change.stopSignal || undefined;
  if (change.hostname !== undefined) next.Hostname = change.hostname || undefined;
  if (change.domainname !== undefined) next.Domainname = change.domainname || undefined;
  if (change.shell !== undefined) next.Shell = change.shell.length > 0 ? change.shell : undefined;
  if (change.onbuild !== undefined) next.OnBuild = [...(config.OnBuild ?? []), ...change.onbuild];
  if (change.healthcheck === null) next.Healthcheck = undefined;
  else if (change.healthcheck) next.Healthcheck = { ...config.Healthcheck, ...change.healthcheck };
  if (change.entrypoint !== undefined) next.Entrypoint = change.entrypoint ?? undefined;
  if (change.cmd !== undefined) next.Cmd = change.cmd ?? undefined;
  return next;
}

function warnAboutCmd(state: ContainerState, change: ConfigChange): void {
  const cmd = containerConfig(state).Cmd;
  if (change.entrypoint === undefined || change.cmd !== undefined || !cmd?.length) return;
  const shell = change.entrypoint?.[0] === '/bin/sh';
  const fate = shell
    ? 'will be ignored because of entrypoint settings'
    : 'will be passed to entrypoint as a parameter';
  log.warn(`cmd ${JSON.stringify(cmd.join(' '))} exists ${shell ? 'but' : 'and'} ${fate}`);
}

function documentChange(
  image: ImageConfig,
  change: ConfigChange,
): Change<Omit<ImageConfig, 'config' | 'rootfs' | 'history'>> & { readonly comment?: string } {
  const { architecture, author, comment, os, osFeatures, osVersion, variant } = change;
  const features = Object.fromEntries((image['os.features'] ?? []).map((name) => [name, {}]));
  const changed = osFeatures && changedSet(features, osFeatures);
  return {
    ...(architecture !== undefined && { architecture }),
    ...(author !== undefined && { author }),
    ...(comment !== undefined && { comment }),
    ...(os !== undefined && { os }),
    ...(osVersion !== undefined && { 'os.version': osVersion }),
    ...(variant !== undefined && { variant }),
    ...(osFeatures && { 'os.features': changed && Object.keys(changed) }),
  };
}

/** The state after the change; pure but for a warning about a `cmd` that stays beside a new entrypoint. */
export function configured(state: ContainerState, change: ConfigChange): ContainerState {
  warnAboutCmd(state, change);
  const settings = changeSettings(state.image, settingsChange(containerConfig(state), change));
  return {
    ...state,
    image: changeConfig(settings, documentChange(state.image, change)),
    annotations:
      change.annotations || change.clearAnnotations
        ? changedMap(state.annotations, change.annotations ?? {}, change.clearAnnotations)
        : state.annotations,
    ...(change.createdBy !== undefined && { createdBy: change.createdBy }),
    ...(change.historyComment !== undefined && { historyComment: change.historyComment }),
  };
}

/** Changes what a commit of the container will write into the image's configuration. One transaction. */
export async function config(
  container: Container,
  change: ConfigChange,
  options: ConfigOptions = {},
): Promise<void> {
  await changeState(container, (state) => {
    const next = configured(state, change);
    if (options.history === undefined) return next;
    return { ...next, image: appendHistory(next.image, { created: now(), created_by: options.history }) };
  });
}
