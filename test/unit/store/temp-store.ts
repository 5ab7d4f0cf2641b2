import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { openStore } from '../../../src/store/store.ts';
import type { NewImage, Store, StoreOptions } from '../../../src/store/types.ts';

export interface TempStore {
  readonly options: StoreOptions;
  readonly root: string;
  /** Another open store on the same root: another process, as far as the store can tell. */
  open(change?: Partial<StoreOptions>): Store;
}

/** A directory for a store, gone after the test with all that `open` gave. */
export function tempStore(): TempStore {
  // In memory where that is to be had: these tests sync a lot, and a busy disk is not what they are about.
  const base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bld-store-'));
  const options: StoreOptions = { root: join(base, 'root'), runroot: join(base, 'run'), mode: 'root' };
  const opened: Store[] = [];
  onTestFinished(() => {
    for (const store of opened) store[Symbol.dispose]();
    rmSync(base, { recursive: true, force: true });
  });
  return {
    options,
    root: options.root,
    open(change = {}) {
      const store = openStore({ ...options, ...change });
      opened.push(store);
      return store;
    },
  };
}

/** An image without layers, told apart by `label`. */
export function imageOf(label: string, more: Partial<NewImage> = {}): NewImage {
  return { config: Buffer.from(JSON.stringify({ label })), layers: [], created: 1, ...more };
}

export const digest = (text: string) => digestOf(text);
