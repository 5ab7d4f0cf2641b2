import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Person } from './types.ts';

/** The temporary directory that everything happens in. Dispose it to unmount and remove all. */
export interface Lab extends Disposable {
  readonly path: string;
  /** Ends running scripts. */
  readonly signal: AbortSignal;
  /** A directory in the lab, made when missing. */
  directory(name: string, owner?: Person): string;
}

/** Unmounts what is mounted below a directory of the lab, seen from this root or from a chroot's. */
export function unmountBelow(directory: string): void {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => `${point}/`.includes(`${directory}/`))
    .reverse();
  for (const point of points) spawnSync('umount', ['-l', point]);
}

/** Unmounts and removes one directory of the lab. */
export function discard(directory: string): void {
  unmountBelow(directory);
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** Makes the lab, readable by everybody. */
export function openLab(signal: AbortSignal): Lab {
  const path = mkdtempSync(join(tmpdir(), 'bld-bench-'));
  chmodSync(path, 0o755);
  return {
    path,
    signal,
    directory(name, owner) {
      const made = join(path, name);
      if (!existsSync(made)) {
        mkdirSync(made, { recursive: true, mode: 0o755 });
        if (owner) chownSync(made, owner.uid, owner.gid);
      }
      return made;
    },
    [Symbol.dispose]() {
      if (!basename(path).startsWith('bld-bench-')) throw new Error(`internal: ${path} is no lab`);
      discard(path);
    },
  };
}
