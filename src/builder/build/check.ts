import { log } from '../../base/log.ts';
import { type BaseImage, type LintReport, lintFile } from '../../dockerfile/lint.ts';
import type { PlanOptions } from '../../dockerfile/plan.ts';
import { platformOf } from '../../images/config.ts';
import { findImage, imageConfig } from '../../images/record.ts';
import type { Platform } from '../../images/types.ts';
import type { Engine } from '../engine.ts';
import type { BuildSource } from './context.ts';

/** Checks the Dockerfile without building; what it says of base images that the store lacks stays unsaid. */
export function check(
  engine: Engine,
  source: BuildSource,
  options: PlanOptions & { readonly check?: string },
): LintReport {
  const { text, name } = source.dockerfile;
  return lintFile(text, name, {
    ...options,
    ...(source.ignore && { ignore: source.ignore }),
    baseImage: (reference, platform) => knownImage(engine, reference, platform),
  });
}

function knownImage({ store }: Engine, reference: string, platform: Platform): BaseImage | undefined {
  try {
    const record = findImage(store, reference, platform);
    if (!record) return undefined;
    const config = imageConfig(store, record);
    return {
      platform: platformOf(config),
      environment: config.config?.Env ?? [],
      hasShell: (config.config?.Shell ?? []).length > 0,
    };
  } catch (error) {
    log.debug(`check: ${reference} is not looked at: ${String(error)}`);
    return undefined;
  }
}
