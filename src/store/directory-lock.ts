import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BldError } from '../base/errors.ts';
import { sys } from '../native/sys.ts';

const PAUSE = 10; // ms
const PATIENCE = 60_000; // ms

/**
 * Does the work alone on a directory, among all processes that ask this way: by flock on the directory itself, which
 * leaves nothing behind and ends with its holder. E_IN_USE after a minute.
 */
export async function aloneOn<Result>(directory: string, work: () => Promise<Result>): Promise<Result> {
  const fd = openSync(directory, 'r');
  try {
    for (const end = Date.now() + PATIENCE; !sys().tryLock(fd, 'exclusive'); await sleep(PAUSE)) {
      if (Date.now() > end)
        throw new BldError('E_IN_USE', `another process has been writing to ${directory} for a minute`);
    }
    return await work();
  } finally {
    closeSync(fd);
  }
}
