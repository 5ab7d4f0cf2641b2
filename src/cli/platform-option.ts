import type { Platform } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import { hostPlatform, normalisePlatform } from '../images/platform.ts';

/** Values of `platformFlags`. */
export interface PlatformValues {
  readonly arch?: string | undefined;
  readonly os?: string | undefined;
  readonly variant?: string | undefined;
  readonly platform: readonly Platform[];
}

/** The platform asked for, by `--platform` or by its parts; undefined when none is. E_USAGE for several. */
export function onePlatform({ arch, os, variant, platform }: PlatformValues): Platform | undefined {
  const [chosen, ...others] = platform;
  if (others.length > 0) throw new BldError('E_USAGE', 'only one --platform can be given here');
  const hasParts = arch !== undefined || os !== undefined || variant !== undefined;
  if (chosen && hasParts) {
    throw new BldError('E_USAGE', '--platform cannot be used with --arch, --os or --variant');
  }
  if (chosen || !hasParts) return chosen;
  const host = hostPlatform();
  return normalisePlatform({
    os: os ?? host.os,
    architecture: arch ?? host.architecture,
    ...(variant !== undefined && { variant }),
  });
}
