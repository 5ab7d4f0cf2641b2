import { rmSync, statSync, writeFileSync } from 'node:fs';
import { BldError } from '../base/errors.ts';
import { layout } from './layout.ts';

/** Enough for the index to be opened and to forget a few thousand things. */
const SIZE = 1024 * 1024;

/**
 * Space held back in the store: even to forget things the index must be written, so that without it a full disk could
 * not be cleared by the very commands that free space. Never an error: a store without ballast works.
 */
export function loadBallast(root: string): void {
  const path = layout.ballast(root);
  if (statSync(path, { throwIfNoEntry: false })?.size === SIZE) return;
  try {
    const { randomBytes } = process.getBuiltinModule('node:crypto');
    writeFileSync(path, randomBytes(SIZE), { mode: 0o600 }); // no file system compresses these away
  } catch {
    rmSync(path, { force: true });
  }
}

/** Runs `work`, which is to make space or needs very little; on a full disk once more without the ballast. */
export function withBallast<T>(root: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof BldError) || error.code !== 'E_DISK_FULL') throw error;
    rmSync(layout.ballast(root), { force: true });
    return work();
  }
}
