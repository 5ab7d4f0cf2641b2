import { BldError } from '../base/errors.ts';
import type { StepRecord } from '../store/types.ts';
import { STEPS_KEY } from './mutate.ts';
import { type ImageConfig, problemOf, type StepDocument, stepsSchema } from './types.ts';

/** Reads a date as configurations have it (RFC 3339). */
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** The configuration with the records in it. */
export function withSteps(config: ImageConfig, steps: readonly StepRecord[]): ImageConfig {
  if (steps.length === 0) return config;
  const document = { version: 1, records: steps.map(documentOf) };
  return { ...config, [STEPS_KEY]: document } as ImageConfig;
}

/**
 * The records that a configuration carries; none when it has no cache, or one of a later version. E_INTEGRITY when they
 * are malformed. What they claim is the word of whoever wrote the image.
 */
export function stepsOf(config: ImageConfig, what: string): readonly StepRecord[] {
  const document = (config as { readonly [key: string]: unknown })[STEPS_KEY];
  if (document === undefined) return [];
  const version = (document as { readonly version?: unknown } | null)?.version;
  if (typeof version === 'number' && version > 1) return [];
  const problem = problemOf(stepsSchema, document);
  if (problem !== undefined) throw new BldError('E_INTEGRITY', `${what}: ${STEPS_KEY}: ${problem}`);
  const { records } = document as { readonly records: readonly StepDocument[] };
  return records.map((record) => recordOf(record, what));
}

function documentOf({ key, diffId, site, created, inputs, result }: StepRecord): StepDocument {
  const { value, entry } = result as StepDocument['result'];
  return { key, ...(diffId !== null && { layer: diffId }), site, created, inputs, result: { value, entry } };
}

function recordOf({ layer, inputs, ...record }: StepDocument, what: string): StepRecord {
  const { created } = record.result.entry;
  if (created !== undefined && !DATE.test(created)) {
    throw new BldError('E_INTEGRITY', `${what}: ${STEPS_KEY}: ${JSON.stringify(created)} is not a date`);
  }
  return { ...record, inputs: inputs as StepRecord['inputs'], diffId: layer ?? null };
}
