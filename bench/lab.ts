import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
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
  /**
   * Takes a directory out of the way and gives its space back. Its names stay until the lab ends: ext4 without a
   * journal makes files five times slower for a minute after many were removed, which would be the next peer's cost.
   */
  retire(name: string): void;
}

/** Unmounts what is mounted below a directory, seen from this root or from a chroot's. */
function unmountBelow(directory: string): void {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => `${point}/`.includes(`${directory}/`))
    .reverse();
  for (const point of points) spawnSync('umount', ['-l', point]);
}

function emptyFiles(directory: string): void {
  spawnSync('find', `${directory} -xdev -type f -size +0 -exec truncate -s 0 {} +`.split(' '));
}

/** Makes the lab, readable by everybody. */
export function openLab(signal: AbortSignal): Lab {
  const path = mkdtempSync(join(tmpdir(), 'bld-bench-'));
  chmodSync(path, 0o755);
  const spent = join(path, 'spent');
  mkdirSync(spent);
  let count = 0;
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
    retire(name) {
      const old = join(path, name);
      if (!existsSync(old)) return;
      unmountBelow(old);
      const place = join(spent, String(count++));
      renameSync(old, place);
      emptyFiles(place);
    },
    [Symbol.dispose]() {
      if (!basename(path).startsWith('bld-bench-')) throw new Error(`internal: ${path} is no lab`);
      unmountBelow(path);
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      spawnSync('sync');
    },
  };
}
