import type { Platform } from '../../base/descriptor.ts';
import { BldError } from '../../base/errors.ts';
import type { Plan } from '../../dockerfile/plan.ts';
import { formatPlatform, hostPlatform } from '../../images/platform.ts';
import type { PullPolicy } from '../../images/pull.ts';
import type { Engine } from '../engine.ts';

/**
 * The platforms that all base images of the plan's stages can be had for, but for stages that name their own; that of
 * the machine where no image is asked. E_NOT_FOUND when there is none.
 */
export async function commonPlatforms(
  engine: Engine,
  plan: Plan,
  policy: PullPolicy = 'missing',
): Promise<readonly Platform[]> {
  const { offeredPlatforms } = await import('../../images/offered.ts');
  const { store, environment, signal, progress } = engine;
  const registry = { ...engine.registry, uid: environment.uid, signal };
  let common: readonly Platform[] | null = null;
  const names = new Set<string>();
  for (const { base, from } of plan.order) {
    if (base.kind !== 'image' || from.platform !== undefined || names.has(base.reference)) continue;
    names.add(base.reference);
    const offered = await offeredPlatforms(store, base.reference, { policy, registry, onProgress: progress });
    const texts = new Set(offered.map(formatPlatform));
    common = (common ?? offered).filter((platform) => texts.has(formatPlatform(platform)));
  }
  if (common === null) return [hostPlatform()];
  if (common.length > 0) return common;
  throw new BldError('E_NOT_FOUND', `the base images have no platform in common: ${[...names].join(', ')}`);
}
