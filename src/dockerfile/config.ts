import { posix } from 'node:path';
import type { Step } from './evaluate.ts';
import type { CommandText, Healthcheck } from './instruction.ts';

/** The `config` object of an image, as far as instructions change it; other fields are kept as they are. */
export interface ConfigRecord {
  readonly Env?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[] | null;
  readonly OnBuild?: readonly string[] | null;
  readonly Healthcheck?: Healthcheck | null;
  readonly ArgsEscaped?: boolean;
}

/** What of an image the instructions of a stage change. */
export interface ImageState<C extends ConfigRecord = ConfigRecord> {
  readonly config: C;
  readonly author?: string;
  /** CMD was set in this stage: ENTRYPOINT then leaves it alone. */
  readonly hasOwnCmd: boolean;
}

export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

/** A stage's start: the base's config without its triggers, which have had their turn. */
export function openState<C extends ConfigRecord>(config: C, author?: string): ImageState<C> {
  const { OnBuild: _, ...rest } = config;
  return { config: rest as C, hasOwnCmd: false, ...(author !== undefined && { author }) };
}

/** The image's state after a step; the given one is not changed. RUN, COPY, ADD and ARG leave it as it is. */
export function applyToConfig<C extends ConfigRecord>(state: ImageState<C>, step: Step): ImageState<C> {
  const { config } = state;
  const withChange = (change: ConfigRecord) => ({ ...state, config: { ...config, ...change } });
  switch (step.kind) {
    case 'env':
      return withChange({ Env: step.pairs.reduce(withVariable, config.Env ?? []) });
    case 'label':
      return withChange({
        Labels: withEntries(
          config.Labels,
          step.pairs.map(({ name, value }) => [name, value]),
        ),
      });
    case 'cmd': {
      const { Cmd: _, ...rest } = config;
      const change = { ...given('Cmd', argvOf(step.command, config)), ArgsEscaped: true };
      return { ...state, config: { ...rest, ...change } as unknown as C, hasOwnCmd: true };
    }
    case 'entrypoint': {
      const { Entrypoint: _, Cmd, ...rest } = config;
      // A Cmd of the base was meant as arguments of the base's entrypoint.
      const kept = state.hasOwnCmd && Cmd ? { Cmd } : {};
      const change = given('Entrypoint', argvOf(step.command, config));
      return { ...state, config: { ...rest, ...kept, ...change } as unknown as C };
    }
    case 'shell':
      return withChange({ Shell: step.argv });
    case 'expose':
      return withChange({
        ExposedPorts: withEntries(
          config.ExposedPorts,
          step.ports.map((port) => [port, {}]),
        ),
      });
    case 'volume':
      return withChange({
        Volumes: withEntries(
          config.Volumes,
          step.paths.map((path) => [path, {}]),
        ),
      });
    case 'user':
      return withChange({ User: step.word });
    case 'workdir':
      return withChange({ WorkingDir: resolveWorkdir(config.WorkingDir, step.word) });
    case 'stopsignal':
      return withChange({ StopSignal: step.word });
    case 'healthcheck':
      return withChange({ Healthcheck: step.check });
    case 'onbuild':
      return withChange({ OnBuild: [...(config.OnBuild ?? []), step.text] });
    case 'maintainer':
      return { ...state, author: step.word };
    default:
      return state;
  }
}

/** An empty list is the same as none, and is left out. */
function given(name: 'Cmd' | 'Entrypoint', argv: readonly string[]): ConfigRecord {
  return argv.length === 0 ? {} : { [name]: argv };
}

/** The command as argv: a shell line goes to the image's SHELL, an empty list of arguments stays empty. */
export function argvOf(command: CommandText, config: ConfigRecord): string[] {
  return command.form === 'exec' ? [...command.argv] : [...shellOf(config), command.line];
}

export function shellOf(config: ConfigRecord): readonly string[] {
  return config.Shell && config.Shell.length > 0 ? config.Shell : DEFAULT_SHELL;
}

/** An absolute, clean path: `path` against the working directory so far. A slash at the end of an absolute one stays, as other builders have it. */
export function resolveWorkdir(current: string | undefined, path: string): string {
  const resolved = posix.resolve('/', current ?? '/', path);
  return /^\/.*\/$/s.test(path) && resolved !== '/' ? `${resolved}/` : resolved;
}

/** Replaces a variable where it stands, or adds it at the end. */
export function withVariable(
  environment: readonly string[],
  { name, value }: { readonly name: string; readonly value: string },
): string[] {
  const entry = `${name}=${value}`;
  const index = environment.findIndex((one) => one.startsWith(`${name}=`));
  return index < 0 ? [...environment, entry] : environment.with(index, entry);
}

/** A record from outside: its keys may be `__proto__`, which stays data. */
function withEntries<T>(
  record: Readonly<Record<string, T>> | null | undefined,
  entries: readonly (readonly [string, T])[],
): Record<string, T> {
  return Object.fromEntries([...Object.entries(record ?? {}), ...entries]);
}
