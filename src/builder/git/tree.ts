import { chmodSync, lstatSync, lutimesSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../../base/errors.ts';
import type { GitAddress } from './address.ts';

/** Gives all files the modes that git knows (0644, 0755) and one date, whatever umask and clock were. */
export function evenOut(directory: string | Buffer, date: number): void {
  // names are bytes, not always text
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([Buffer.from(directory), Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) evenOut(path, date);
    else {
      if (entry.isFile()) chmodSync(path, lstatSync(path).mode & 0o100 ? 0o755 : 0o644);
      lutimesSync(path, date, date);
    }
  }
  chmodSync(directory, 0o755);
  lutimesSync(directory, date, date);
}

/** The address's subdirectory: a directory of the repository itself, and no link to one. E_NOT_FOUND, E_PATH. */
export function openSubdirectory(directory: string, { remote, subdir }: GitAddress): string {
  let at = directory;
  for (const name of subdir?.split('/') ?? []) {
    at = join(at, name);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    const what = `git repository ${remote.shown}: ${JSON.stringify(subdir)}`;
    if (!stat) throw new BldError('E_NOT_FOUND', `${what} is not in it`);
    if (!stat.isDirectory()) throw new BldError('E_PATH', `${what} is not a directory`);
  }
  return at;
}
