import type { Platform } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import { commonPlatforms } from '../builder/build/all-platforms.ts';
import type { BuildSource } from '../builder/build/context.ts';
import { type BuildOptions, planOf } from '../builder/build.ts';
import type { Engine } from '../builder/engine.ts';
import { formatPlatform } from '../images/platform.ts';
import { onePlatform, type PlatformValues } from './platform-option.ts';

/** The platforms of `--platform`, each once, or the one of `--os`, `--arch`, `--variant`; none when none is given. */
export function namedPlatforms(values: PlatformValues): readonly Platform[] {
  const { platform } = values;
  const [first] = platform;
  const one = onePlatform({ ...values, platform: first ? [first] : [] });
  if (platform.length < 2) return one ? [one] : [];
  return [...new Map(platform.map((each) => [formatPlatform(each), each])).values()];
}

/** `--all-platforms`: those that the base images have. E_USAGE together with others. */
export async function allPlatforms(
  engine: Engine,
  source: BuildSource,
  options: BuildOptions,
): Promise<readonly Platform[]> {
  if (options.platforms && options.platforms.length > 0) {
    throw new BldError('E_USAGE', '--all-platforms and --platform exclude each other');
  }
  return commonPlatforms(engine, planOf(source, options), options.pull);
}
