import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { b, native } from './native-box.ts';
import { contentCases } from './native-content-cases.ts';
import { filesCases } from './native-files-cases.ts';
import { mountsCases } from './native-mounts-cases.ts';
import { pathsCases } from './native-paths-cases.ts';

/** Runs all cases; what failed, what was left out and why. */
export function runCases(): Record<string, { failed?: string; skipped?: string }> {
  native.umask(0);
  const results: Record<string, { failed?: string; skipped?: string }> = {};
  for (const [name, show] of Object.entries({
    ...filesCases,
    ...contentCases,
    ...pathsCases,
    ...mountsCases,
  })) {
    const path = mkdtempSync(join(tmpdir(), 'bld-sys-'));
    const memoryPath = mkdtempSync('/dev/shm/bld-sys-');
    const [at, memory] = [native.openRoot(path), native.openRoot(memoryPath)];
    try {
      const skipped = show({ at, path, memory, memoryPath });
      results[name] = skipped === undefined ? {} : { skipped };
    } catch (error) {
      results[name] = { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    } finally {
      native.close(at);
      native.close(memory);
      for (const left of [path, memoryPath]) {
        const parent = native.openRoot(join(left, '..'));
        native.removeTree(parent, b(left.slice(left.lastIndexOf('/') + 1)));
        native.close(parent);
      }
    }
  }
  return results;
}
