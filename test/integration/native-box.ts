/** What the cases of native-*-cases.ts share. They run inside of the launcher's namespaces and know no test runner. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { environment } from '../../src/native/environment.ts';
import { installRoot } from '../../src/native/install.ts';
import { type Fd, sys } from '../../src/native/sys.ts';

export interface Box {
  /** A fresh directory, open and by path. */
  readonly at: Fd;
  readonly path: string;
  /** One on a file system in memory, for what is deep or many. */
  readonly memory: Fd;
  readonly memoryPath: string;
}

/** Throws when a promise is broken; returns why it cannot be shown in this mode. */
export type Case = (box: Box) => string | undefined;
export type Cases = Readonly<Record<string, Case>>;

export const O_PATH = 0o10000000;

export const native = sys();
export const here = environment();
/** What is not part of Sys: the ways that other kernels take. */
export const addon = createRequire(import.meta.url)(
  join(installRoot(), 'native/overlay/build/addon.node'),
) as {
  openInWalk(root: Fd, path: Buffer, flags: number, mode: number): Fd;
  mountOverlay(
    lower: readonly string[],
    upper: string | null,
    work: string | null,
    userxattr: number,
    legacy: number,
  ): Fd;
};

export const b = (text: string | readonly number[]) => Buffer.from(text as string);
export const names = (dir: Fd) => native.readDir(dir).map(({ name }) => name.toString());
export const meta = { mode: 0o644, uid: -1, gid: -1, mtime: null } as const;
export const create = (dir: Fd, name: string, text = '') => native.createFile(dir, b(name), b(text), meta);
export const statOf = (dir: Fd, name: string) => {
  const found = native.stat(dir, b(name));
  assert.ok(found, `${name} is there`);
  return found;
};
export const fails = (code: string, work: () => unknown) =>
  assert.throws(work, (error: NodeJS.ErrnoException) => {
    assert.equal(error.code, code, error.message);
    return true;
  });

/** Mounts are allowed. */
export const mountable = here.mode !== 'none';
