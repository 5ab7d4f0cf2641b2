import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/base/digest.ts';
import type { Store } from '../../src/store/types.ts';

/** What is wrong with a store that nobody works on: everything visible must be whole, and nothing else may be there. */
export function faultsOf(store: Store): string[] {
  const faults: string[] = [];
  const blobs = join(store.root, 'blobs/sha256');
  const check = (digest: string, owner: string) => {
    try {
      if (digestOf(readFileSync(join(blobs, digest.slice(7)))) !== digest)
        faults.push(`${owner}: ${digest} is damaged`);
    } catch {
      faults.push(`${owner}: ${digest} is missing`);
    }
  };
  for (const { id, manifest, layers, names } of store.images.list()) {
    const owner = `image ${id.slice(7, 19)} ${names}`;
    check(id, owner);
    if (manifest) check(manifest.digest, owner);
    for (const { diffId, blob } of layers) {
      if (blob) check(blob.digest, owner);
      else if (store.layers.path(diffId) === null) faults.push(`${owner}: the layer ${diffId} is missing`);
    }
  }
  for (const name of readdirSync(blobs)) check(`sha256:${name}`, 'blobs');
  for (const name of readdirSync(join(store.root, 'layers'))) {
    const files = readdirSync(join(store.root, 'layers', name, 'diff')).length;
    if (files !== 20 && files !== 1) faults.push(`layer ${name} has ${files} files`);
  }
  for (const { id, layers } of store.containers.list()) {
    const { upper } = store.containers.directories(id);
    if (!statSync(upper, { throwIfNoEntry: false })?.isDirectory())
      faults.push(`container ${id} has no upper`);
    // a kill at any moment leaves the change either in the container or in its layer
    const built = readdirSync(upper).length + layers.length;
    if (built > 1) faults.push(`container ${id} has its change twice`);
    for (const diffId of layers) {
      if (store.layers.path(diffId) === null) faults.push(`container ${id}: layer ${diffId} is missing`);
    }
  }
  return faults;
}

/** Names below `tmp` and `leases`, other than those of `store` itself. */
export function leftovers(store: Store): string[] {
  return ['leases', 'tmp', 'tmp/partial']
    .flatMap((directory) => readdirSync(join(store.root, directory)).map((name) => join(directory, name)))
    .filter((path) => path !== 'tmp/partial');
}
