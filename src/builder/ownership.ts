import { basename, dirname } from 'node:path';
import { BldError } from '../base/errors.ts';
import { parseMode } from '../dockerfile/mode.ts';
import { ownerWriter } from '../layers/owner.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { type Fd, sys } from '../native/sys.ts';
import { lookupUser } from '../runtime/users.ts';
import type { StoreKind } from '../store/types.ts';
import type { Rules } from './copy-tree.ts';

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

/** `--chown`'s text by the container's passwd and group; a number without group means the same group number. */
export function resolveOwner(rootfs: Fd, text: string): Ownership {
  if (/^\d+$/.test(text)) {
    const id = checkedId(text);
    return { uid: id, gid: id };
  }
  const { uid, gid } = lookupUser(rootfs, text);
  return { uid, gid };
}

function checkedId(text: string): number {
  const id = Number(text);
  if (id > 0xfffffffe) throw new BldError('E_USAGE', `the id ${text} is too large`);
  return id;
}

/**
 * Gives an object that a RUN sees, but that no layer holds, its owner and mode: for real, or by a record where there is
 * one id alone.
 */
export function giveOwner(
  owners: StoreKind['owners'],
  path: string,
  given: Ownership & { readonly mode: number },
): void {
  const dir = sys().openRoot(dirname(path));
  try {
    const name = Buffer.from(basename(path));
    const type = sys().stat(dir, name)?.type ?? 'file';
    const writer = ownerWriter(owners, ownerFileOf(path));
    writer.set({ dir, name }, { ...given, type, xattrs: null }, name);
    writer.flush();
  } finally {
    sys().close(dir);
  }
}

/** The mode of directories that a copy makes above what it copies: an octal `--chmod` counts for them, too. */
export function directoryMode(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** `--chmod`'s text as a rule; without one everything keeps its mode. */
export function modeRule(text: string | undefined): Rules['mode'] {
  if (text === undefined) return (mode) => mode;
  let change: ReturnType<typeof parseMode>;
  try {
    change = parseMode(text);
  } catch (error) {
    throw new BldError('E_USAGE', error instanceof Error ? error.message : `invalid mode ${text}`, {
      cause: error,
    });
  }
  return (mode, isDirectory) => change({ mode, isDirectory });
}
