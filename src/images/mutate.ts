import type { Digest } from '../base/digest.ts';
import type { ContainerConfig, History, ImageConfig } from './types.ts';

/** Fields to set; `undefined` takes the field away. */
export type Change<Document> = { readonly [Key in keyof Document]?: Document[Key] | undefined };

function changed<Document extends object>(document: Document, change: Change<Document>): Document {
  const result: Document = Object.assign(Object.create(null), document, change);
  for (const key of Object.keys(change) as (keyof Document)[]) {
    if (result[key] === undefined) delete result[key];
  }
  return result;
}

/** The member of an image configuration that carries a build cache; other tools pass it over. */
export const STEPS_KEY = 'io.bld.steps';

/** Written by old engines about the container that made the image, or by a builder about that one build. */
const STALE = [
  'container_config',
  'container',
  'docker_version',
  'id',
  'parent',
  'parent_id',
  'throwaway',
  'Size',
  STEPS_KEY,
];

/** A base's configuration as the start of a new image: what told about the base's own making is gone. */
export function derivedFrom(base: ImageConfig): ImageConfig {
  const stale = Object.keys(base).filter((key) => STALE.includes(key) || key.startsWith('moby.buildkit.'));
  return changed(base, Object.fromEntries(stale.map((key) => [key, undefined])));
}

/** The configuration with other settings for its containers. */
export function changeSettings(config: ImageConfig, change: Change<ContainerConfig>): ImageConfig {
  return changed(config, { config: changed<ContainerConfig>(config.config ?? {}, change) });
}

/** The configuration with other fields of its own: author, created, platform. */
export function changeConfig(
  config: ImageConfig,
  change: Change<Omit<ImageConfig, 'config' | 'rootfs' | 'history'>>,
): ImageConfig {
  return changed<ImageConfig>(config, change);
}

/** One more layer on top, and the entry that tells how it came. */
export function appendLayer(config: ImageConfig, diffId: Digest, entry: History): ImageConfig {
  return changed(config, {
    rootfs: { ...config.rootfs, diff_ids: [...config.rootfs.diff_ids, diffId] },
    history: [...alignedHistory(config), entry],
  });
}

/** An entry for a step that changed no file. */
export function appendHistory(config: ImageConfig, entry: History): ImageConfig {
  return changed(config, { history: [...alignedHistory(config), { ...entry, empty_layer: true }] });
}

/**
 * Readers count the entries that stand for layers: bases with no history, or too much of it, are put right before
 * anything is added.
 */
function alignedHistory(config: ImageConfig): readonly History[] {
  const history = config.history ?? [];
  const layers = config.rootfs.diff_ids.length;
  let told = 0;
  const kept = history.map((entry) => {
    if (entry.empty_layer) return entry;
    told++;
    return told > layers ? { ...entry, empty_layer: true } : entry;
  });
  const missing = Array.from({ length: Math.max(0, layers - told) }, () => ({
    comment: 'not told by the base image',
  }));
  return [...kept, ...missing];
}

/** `created` of the image, and of the entries from `first` on, set to one moment (SOURCE_DATE_EPOCH). */
export function stampConfig(config: ImageConfig, time: Date, first = 0): ImageConfig {
  const created = time.toISOString().replace(/\.000Z$/, 'Z');
  return changed(config, {
    created,
    history: (config.history ?? []).map((entry, index) => (index < first ? entry : { ...entry, created })),
  });
}
