import type { EntryChange } from '../images/manifest-list.ts';
import { namedValues } from './build-inputs.ts';
import type { entryFlags } from './commands/manifest-add.ts';
import type { Values } from './spec.ts';

/** What flags tell of an image in a list; what is not told stays. */
export function entryChange(values: Values<typeof entryFlags>): EntryChange {
  const { arch, os, variant, osVersion, osFeatures } = values;
  const platform = {
    ...(os !== undefined && { os }),
    ...(arch !== undefined && { architecture: arch }),
    ...(variant !== undefined && { variant }),
    ...(osVersion !== undefined && { 'os.version': osVersion }),
    ...(osFeatures.length > 0 && { 'os.features': osFeatures }),
  };
  const annotations = namedValues(values.annotation, 'annotation');
  return {
    ...(Object.keys(platform).length > 0 && { platform }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
}
