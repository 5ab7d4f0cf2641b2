import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { changes } from '../layers/diff.ts';
import { packLayer } from '../layers/pack.ts';
import type { Store } from '../store/types.ts';

/**
 * The layer's tar, made again of its files in the store; a root directory like that of the layer `below` is no change.
 * Not verified here. E_NOT_FOUND when the files are not there.
 */
export function packedTar(store: Store, diffId: Digest, below: Digest | undefined): AsyncGenerator<Buffer> {
  const tree = store.layers.path(diffId);
  if (tree === null) {
    throw new BldError('E_NOT_FOUND', `the layer ${diffId} is not in the store`, {
      hint: 'look what else is missing: bld check',
    });
  }
  const base = below === undefined ? null : store.layers.path(below);
  return packLayer(changes([tree], { kind: store.kind, ...(base !== null && { base }) }));
}
