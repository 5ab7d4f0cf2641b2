import type { Platform } from '../base/descriptor.ts';
import { formatPlatform } from './platform.ts';

/** Variables by name, in the order they came to be. */
export type Variables = ReadonlyMap<string, string>;

/** What the person gave to the build, and what the file's global ARGs made of it. */
export interface BuildInputs {
  readonly escape: string;
  /** `--build-arg`. */
  readonly buildArgs: Variables;
  /** Platform arguments and global ARGs: what an ARG without a value takes its value from. */
  readonly globals: Variables;
  /** What each RUN gets as if it had a `--mount=` for it. */
  readonly mounts?: readonly string[] | undefined;
}

/** The texts of a RUN's mounts: those that all have, then its own. */
export function mountsOf(own: readonly string[], { mounts = [] }: BuildInputs): readonly string[] {
  return mounts.length > 0 ? [...mounts, ...own] : own;
}

/** Usable by RUN without an ARG; neither in the history nor in the cache key. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];
export const PREDEFINED: ReadonlySet<string> = new Set(PROXIES.flatMap((name) => [name, name.toLowerCase()]));

/** TARGETPLATFORM and its kin; `--build-arg` overrides them. */
export function platformVariables(
  platforms: { readonly build: Platform; readonly target: Platform },
  targetStage: string,
  buildArgs: Variables,
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [prefix, platform] of [
    ['BUILD', platforms.build],
    ['TARGET', platforms.target],
  ] as const) {
    variables.set(`${prefix}PLATFORM`, formatPlatform(platform));
    variables.set(`${prefix}OS`, platform.os);
    variables.set(`${prefix}OSVERSION`, platform['os.version'] ?? '');
    variables.set(`${prefix}ARCH`, platform.architecture);
    variables.set(`${prefix}VARIANT`, platform.variant ?? '');
  }
  variables.set('TARGETSTAGE', targetStage);
  for (const name of variables.keys()) {
    const given = buildArgs.get(name);
    if (given !== undefined) variables.set(name, given);
  }
  return variables;
}

/** The date of what is built, in seconds since 1970 or by the word for "as old as the context". */
export const EPOCH = 'SOURCE_DATE_EPOCH';
export const OF_CONTEXT = 'context';

/** Build arguments that take effect without an ARG in the file. */
export function isSpecialBuildArg(name: string): boolean {
  return PREDEFINED.has(name) || name.startsWith('BUILDKIT_') || name === EPOCH;
}

/** The value of an ARG: given, else its default (expanded by `expandDefault`), else the global one; undefined when none. */
export function argValue(
  declaration: { readonly name: string; readonly value?: string },
  inputs: BuildInputs,
  expandDefault: (text: string) => string,
): string | undefined {
  const given = inputs.buildArgs.get(declaration.name);
  if (given !== undefined) return given;
  if (declaration.value !== undefined) return expandDefault(declaration.value);
  return inputs.globals.get(declaration.name);
}
